// Methods of strings.
#include <algorithm>

#include "chat/builtins.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

const std::string& self(const Value& value) { return value.text()->bytes; }

Value list_of(std::vector<std::string> parts, Budget& budget) {
  budget.spend(parts.size());
  std::vector<Value> items;
  for (std::string& part : parts) items.emplace_back(std::move(part));
  return Value::list(std::move(items));
}

bool is_given(const std::optional<Value>& value) { return value && !value->is_none(); }

template <Side side>
Value strip_method(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("strip", arguments, {"chars"});
  if (!is_given(given[0])) return Value(std::string(strip(self(value), side)));
  return Value(std::string(strip(self(value), side, to_string_argument(*given[0], "strip"))));
}

template <bool from_right>
Value split_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("split", arguments, {"sep", "maxsplit"});
  const std::int64_t limit = given[1] ? to_integer(*given[1], "split") : -1;
  in.budget().spend(self(value).size() / 32);
  if (!is_given(given[0])) return list_of(split(self(value), {}, limit, from_right), in.budget());
  return list_of(split(self(value), to_string_argument(*given[0], "split"), limit, from_right),
                 in.budget());
}

Value split_lines_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("splitlines", arguments, {"keepends"});
  return list_of(split_lines(self(value), flag(given[0], false)), in.budget());
}

template <bool from_right>
Value partition(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("partition", arguments, {"sep"}, 1);
  const std::string& separator = to_string_argument(*given[0], "partition");
  auto parts = split(self(value), separator, 1, from_right);
  in.budget().spend(self(value).size() / 32);
  const bool found = parts.size() == 2;
  std::string empty;
  if (!found) parts.insert(from_right ? parts.begin() : parts.end(), empty);
  return Value::sequence(SequenceKind::tuple,
                         {Value(parts[0]), Value(found ? separator : empty), Value(parts[1])});
}

template <bool at_end>
Value has_affix(Interpreter& in, const Value& value, const Arguments& arguments) {
  const char* const name = at_end ? "endswith" : "startswith";
  const auto given = bind(name, arguments, {"affix"}, 1);
  const Sequence* several = given[0]->sequence();
  const std::vector<Value> affixes = several != nullptr && several->kind == SequenceKind::tuple
                                         ? in.items(*given[0])
                                         : std::vector<Value>{*given[0]};
  return Value(std::any_of(affixes.begin(), affixes.end(), [&](const Value& one) {
    const std::string& affix = to_string_argument(one, name);
    return at_end ? self(value).ends_with(affix) : self(value).starts_with(affix);
  }));
}

template <bool at_end>
Value remove_affix(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind(at_end ? "removesuffix" : "removeprefix", arguments, {"affix"}, 1);
  const std::string& affix = to_string_argument(*given[0], "removeprefix");
  const std::string& text = self(value);
  if (!(at_end ? text.ends_with(affix) : text.starts_with(affix))) return value;
  const std::size_t rest = text.size() - affix.size();
  return Value(text.substr(at_end ? 0 : affix.size(), rest));
}

template <std::string (*change)(std::string_view)>
Value changed(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a method of case", arguments, {});
  in.budget().spend_text(self(value).size());
  return Value(change(self(value)));
}

Value replace_method(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t count = given[2] ? to_integer(*given[2], "replace") : -1;
  return Value(replace(self(value), to_string_argument(*given[0], "replace"),
                       to_string_argument(*given[1], "replace"), count, in.budget()));
}

// The part of the text that find(), index() and count() look at; `before` counts the characters
// in front of it.
std::string part(const Value& value, const std::vector<std::optional<Value>>& given,
                 std::int64_t& before, Budget& budget) {
  const Value none(nullptr);
  const Value begin = given[1] ? *given[1] : none, end = given[2] ? *given[2] : none;
  const auto size = static_cast<std::int64_t>(count_characters(self(value)));
  before = 0;
  if (!begin.is_none()) {
    before = to_integer(begin, "find");
    before = std::max<std::int64_t>(before < 0 ? before + size : before, 0);
  }
  return slice(value, begin, end, none, budget).text()->bytes;
}

template <bool from_right, bool must_exist>
Value find_method_of_text(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("find", arguments, {"sub", "start", "end"}, 1);
  const std::string& wanted = to_string_argument(*given[0], "find");
  std::int64_t before = 0;
  const std::string text = part(value, given, before, in.budget());
  const std::size_t at = from_right ? text.rfind(wanted) : text.find(wanted);
  if (at == std::string::npos && must_exist)
    fail("the substring " + quote(wanted) + " is not there");
  if (at == std::string::npos) return Value(std::int64_t{-1});
  return Value(before + static_cast<std::int64_t>(count_characters(text.substr(0, at))));
}

Value count_text(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("count", arguments, {"sub", "start", "end"}, 1);
  const std::string& wanted = to_string_argument(*given[0], "count");
  std::int64_t before = 0;
  const std::string text = part(value, given, before, in.budget());
  if (wanted.empty()) return Value(static_cast<std::int64_t>(count_characters(text)) + 1);
  std::int64_t found = 0;
  for (std::size_t at = 0; (at = text.find(wanted, at)) != std::string::npos; at += wanted.size())
    ++found;
  return Value(found);
}

Value join_text(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("join", arguments, {"iterable"}, 1);
  if (given[0]->is_undefined()) return Value(std::string());
  Builder out(in.budget());
  bool is_first = true;
  for (const Value& item : in.items(*given[0])) {
    if (!is_first) out += self(value);
    is_first = false;
    out += to_string_argument(item, "join");
  }
  return Value(out.take());
}

Value format(Interpreter& in, const Value& value, const Arguments& arguments) {
  return Value(format_braces(self(value), arguments, in));
}

template <bool (*holds)(char32_t)>
Value all_are(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a question about characters", arguments, {});
  in.budget().spend(self(value).size() / 32);
  const std::u32string characters = decode(self(value));
  return Value(!characters.empty() && std::all_of(characters.begin(), characters.end(), holds));
}

bool is_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }
bool is_letter_or_number(char32_t c) { return is_letter(c) || is_numeric(c); }

template <bool (*holds)(std::string_view)>
Value case_is(Interpreter&, const Value& value, const Arguments& arguments) {
  bind("a question about case", arguments, {});
  return Value(holds(self(value)));
}

// -1: text to the left, 1: to the right.
template <int side>
Value justify(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("ljust or rjust", arguments, {"width", "fillchar"}, 1);
  const std::string fill = given[1] ? to_string_argument(*given[1], "ljust or rjust") : " ";
  if (count_characters(fill) != 1) fail("\"ljust\" and \"rjust\" fill with one character");
  const auto size = static_cast<std::int64_t>(count_characters(self(value)));
  const std::int64_t padding =
      std::max<std::int64_t>(to_integer(*given[0], "ljust or rjust") - size, 0);
  Builder out(in.budget());
  if (side > 0) out.repeat(fill, static_cast<std::size_t>(padding));
  out += self(value);
  if (side < 0) out.repeat(fill, static_cast<std::size_t>(padding));
  return Value(out.take());
}

Value fill_zeros(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("zfill", arguments, {"width"}, 1);
  const auto size = static_cast<std::int64_t>(count_characters(self(value)));
  const std::int64_t padding = std::max<std::int64_t>(to_integer(*given[0], "zfill") - size, 0);
  const bool has_sign = self(value).starts_with('-') || self(value).starts_with('+');
  Builder out(in.budget());
  out += self(value).substr(0, has_sign ? 1 : 0);
  out.repeat("0", static_cast<std::size_t>(padding));
  out += self(value).substr(has_sign ? 1 : 0);
  return Value(out.take());
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
