// Methods of strings.
#include <algorithm>

#include "chat/builtins.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

const std::string& self(const Value& value) { return value.text()->bytes; }

// What a method makes of the text: a part of it.
Value part_of(std::string_view part, Budget& budget) {
  budget.spend_bytes(part.size());
  return Value::made(std::string(part), budget);
}

Value list_of(const std::vector<std::string_view>& parts, Budget& budget) {
  Items items(budget);
  items.reserve(parts.size());
  for (const std::string_view part : parts) items.push_back(part_of(part, budget));
  return Value::list(std::move(items));
}

bool is_given(const std::optional<Value>& value) { return value && !value->is_none(); }

template <Side side>
Value strip_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("strip", arguments, {"chars"});
  in.budget().spend_characters(self(value).size());
  if (!is_given(given[0])) return part_of(strip(self(value), side), in.budget());
  const std::string& set = to_string_argument(*given[0], "strip");
  return part_of(strip(self(value), side, set, in.budget()), in.budget());
}

template <bool from_right>
Value split_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("split", arguments, {"sep", "maxsplit"});
  const std::int64_t limit = given[1] ? to_integer(*given[1], "split") : -1;
  std::optional<std::string_view> separator;
  if (is_given(given[0])) separator = to_string_argument(*given[0], "split");
  return list_of(split(self(value), separator, limit, from_right, in.budget()), in.budget());
}

Value split_lines_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("splitlines", arguments, {"keepends"});
  in.budget().spend_characters(self(value).size());
  const bool keep_ends = flag(given[0], false);
  Items lines(in.budget());
  for (std::string_view rest = self(value); !rest.empty();)
    lines.push_back(part_of(take_line(rest, keep_ends), in.budget()));
  return Value::list(std::move(lines));
}

template <bool from_right>
Value partition(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("partition", arguments, {"sep"}, 1);
  const std::string& separator = to_string_argument(*given[0], "partition");
  auto parts = split(self(value), separator, 1, from_right, in.budget());
  const bool found = parts.size() == 2;
  if (!found) parts.insert(from_right ? parts.begin() : parts.end(), std::string_view());
  Items items(in.budget());
  items.push_back(part_of(parts[0], in.budget()));
  items.push_back(part_of(found ? separator : std::string_view(), in.budget()));
  items.push_back(part_of(parts[1], in.budget()));
  return Value::sequence(SequenceKind::tuple, std::move(items));
}

template <bool at_end>
Value has_affix(Interpreter& in, const Value& value, const Arguments& arguments) {
  const char* const name = at_end ? "endswith" : "startswith";
  const auto given = bind(name, arguments, {"affix"}, 1);
  const auto has = [&](const Value& one) {
    const std::string& affix = to_string_argument(one, name);
    in.budget().spend_bytes(std::min(affix.size(), self(value).size()));
    return at_end ? self(value).ends_with(affix) : self(value).starts_with(affix);
  };
  const Sequence* several = given[0]->sequence();
  if (several == nullptr || several->kind != SequenceKind::tuple) return Value(has(*given[0]));
  in.budget().spend(several->items.size());
  return Value(std::any_of(several->items.begin(), several->items.end(), has));
}

template <bool at_end>
Value remove_affix(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind(at_end ? "removesuffix" : "removeprefix", arguments, {"affix"}, 1);
  const std::string& affix = to_string_argument(*given[0], "removeprefix");
  const std::string& text = self(value);
  in.budget().spend_bytes(std::min(affix.size(), text.size()));
  if (!(at_end ? text.ends_with(affix) : text.starts_with(affix))) return value;
  const std::size_t rest = text.size() - affix.size();
  return part_of(std::string_view(text).substr(at_end ? 0 : affix.size(), rest), in.budget());
}

template <void (*change)(std::string_view, Builder&)>
Value changed(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a method of case", arguments, {});
  Builder out(in.budget());
  change(self(value), out);
  return Value::made(out);
}

Value replace_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t count = given[2] ? to_integer(*given[2], "replace") : -1;
  Builder out(in.budget());
  replace(self(value), to_string_argument(*given[0], "replace"),
          to_string_argument(*given[1], "replace"), count, out);
  return Value::made(out);
}

// The part of the text that find(), index() and count() look at.
class LookedAt {
 public:
  LookedAt(const Value& value, const std::vector<std::optional<Value>>& given, Budget& budget)
      : part_(value) {
    const Value none(nullptr);
    const Value begin = given[1] ? *given[1] : none, end = given[2] ? *given[2] : none;
    if (begin.is_none() && end.is_none()) return;
    const auto size = static_cast<std::int64_t>(count_characters(self(value)));
    part_ = slice(value, begin, end, none, budget);
    if (begin.is_none()) return;
    before_ = to_integer(begin, "find");
    before_ = std::max<std::int64_t>(before_ < 0 ? before_ + size : before_, 0);
  }
  std::string_view text() const { return self(part_); }
  // Characters in front of the byte.
  std::int64_t characters_before(std::size_t byte) const {
    return before_ + static_cast<std::int64_t>(count_characters(text().substr(0, byte)));
  }

 private:
  Value part_;
  std::int64_t before_ = 0;  // in front of the part
};

template <bool from_right, bool must_exist>
Value find_method_of_text(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("find", arguments, {"sub", "start", "end"}, 1);
  const std::string& wanted = to_string_argument(*given[0], "find");
  const LookedAt part(value, given, in.budget());
  const std::size_t at = Searcher(wanted, in.budget(), from_right).find(part.text());
  if (at == std::string::npos && must_exist)
    fail("the substring " + quote(wanted) + " is not there");
  if (at == std::string::npos) return Value(std::int64_t{-1});
  in.budget().spend_bytes(at);
  return Value(part.characters_before(at));
}

Value count_text(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("count", arguments, {"sub", "start", "end"}, 1);
  const std::string& wanted = to_string_argument(*given[0], "count");
  const LookedAt part(value, given, in.budget());
  in.budget().spend_bytes(part.text().size());
  if (wanted.empty()) return Value(static_cast<std::int64_t>(count_characters(part.text())) + 1);
  const Searcher searcher(wanted, in.budget());
  std::int64_t found = 0;
  for (std::size_t at = 0; (at = searcher.find(part.text(), at)) != std::string::npos;
       at += wanted.size()) {
    in.budget().spend(1);
    ++found;
  }
  return Value(found);
}

Value join_text(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("join", arguments, {"iterable"}, 1);
  if (given[0]->is_undefined()) return Value::given({});
  Builder out(in.budget());
  bool is_first = true;
  for (const Value& item : in.items(*given[0])) {
    if (!is_first) out += self(value);
    is_first = false;
    out += to_string_argument(item, "join");
  }
  return Value::made(out);
}

Value format(Interpreter& in, const Value& value, const Arguments& arguments) {
  return format_braces(self(value), arguments, in);
}

template <bool (*holds)(char32_t)>
Value all_are(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a question about characters", arguments, {});
  const std::string& text = self(value);
  in.budget().spend_characters(text.size());
  std::size_t at = 0;
  while (at < text.size() && holds(decode_utf8(text, at).value)) at += character_size(text, at);
  return Value(!text.empty() && at == text.size());
}

bool is_letter_or_number(char32_t c) { return is_letter(c) || is_numeric(c); }

template <bool (*holds)(std::string_view)>
Value case_is(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a question about case", arguments, {});
  in.budget().spend_characters(self(value).size());
  return Value(holds(self(value)));
}

// How many characters the text lacks to be that wide.
std::size_t lacking(const Value& value, const Value& width, const char* method, Budget& budget) {
  budget.spend_bytes(self(value).size());
  const auto size = static_cast<std::int64_t>(count_characters(self(value)));
  const std::int64_t wanted = to_integer(width, method);
  return wanted > size ? static_cast<std::size_t>(wanted - size) : 0;
}

// -1: text to the left, 1: to the right.
template <int side>
Value justify(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("ljust or rjust", arguments, {"width", "fillchar"}, 1);
  const std::string fill = given[1] ? to_string_argument(*given[1], "ljust or rjust") : " ";
  if (count_characters(fill) != 1) fail("\"ljust\" and \"rjust\" fill with one character");
  const std::size_t padding = lacking(value, *given[0], "ljust or rjust", in.budget());
  Builder out(in.budget());
  if (side > 0) out.repeat(fill, padding);
  out += self(value);
  if (side < 0) out.repeat(fill, padding);
  return Value::made(out);
}

Value fill_zeros(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("zfill", arguments, {"width"}, 1);
  const std::size_t padding = lacking(value, *given[0], "zfill", in.budget());
  const std::string_view text = self(value);
  const bool has_sign = text.starts_with('-') || text.starts_with('+');
  Builder out(in.budget());
  out += text.substr(0, has_sign ? 1 : 0);
  out.repeat("0", padding);
  out += text.substr(has_sign ? 1 : 0);
  return Value::made(out);
}

}  // namespace

const std::vector<Builtin<Filter>> text_methods = {
    {"strip", strip_method<Side::both>},
    {"lstrip", strip_method<Side::left>},
    {"rstrip", strip_method<Side::right>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", split_lines_method},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"startswith", has_affix<false>},
    {"endswith", has_affix<true>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"upper", changed<upper>},
    {"lower", changed<lower>},
    {"title", changed<title>},
    {"capitalize", changed<capitalize>},
    {"replace", replace_method},
    {"find", find_method_of_text<false, false>},
    {"rfind", find_method_of_text<true, false>},
    {"index", find_method_of_text<false, true>},
    {"rindex", find_method_of_text<true, true>},
    {"count", count_text},
    {"join", join_text},
    {"format", format},
    {"isdigit", all_are<is_decimal_digit>},
    {"isdecimal", all_are<is_decimal_digit>},
    {"isalpha", all_are<is_letter>},
    {"isalnum", all_are<is_letter_or_number>},
    {"isspace", all_are<is_space>},
    {"isupper", case_is<is_upper_text>},
    {"islower", case_is<is_lower_text>},
    {"ljust", justify<-1>},
    {"rjust", justify<1>},
    {"zfill", fill_zeros},
};

}  // namespace llm::detail::jinja
