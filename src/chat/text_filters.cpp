// Filters that make texts.
#include <algorithm>

#include "chat/builtins.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

bool is_markup(const Value& value) { return value.text() != nullptr && value.text()->is_markup; }

template <void (*change)(std::string_view, Builder&)>
Value changed(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a filter of case", arguments, {});
  Builder out(in.budget());
  change(in.text(value)->bytes, out);
  return Value::made(out, is_markup(value));
}

Value trim(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("trim", arguments, {"chars"});
  const auto text = in.text(value);
  in.budget().spend_characters(text->bytes.size());
  const bool has_set = given[0] && !given[0]->is_none();
  const std::string_view trimmed =
      has_set ? strip(text->bytes, Side::both, to_string_argument(*given[0], "trim"), in.budget())
              : strip(text->bytes, Side::both);
  return Value::made(std::string(trimmed), in.budget(), is_markup(value));
}

// Words begin after white space, hyphens and opening brackets.
bool begins_words(char32_t c) {
  return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
}

Value title_words(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("title", arguments, {});
  const auto shared = in.text(value);
  std::string_view text = shared->bytes;
  in.budget().spend_characters(text.size());
  Builder out(in.budget());
  const auto size_while = [&text](bool borders) {
    std::size_t end = 0;
    while (end < text.size() && begins_words(decode_utf8(text, end).value) == borders)
      end += character_size(text, end);
    return end;
  };
  while (!text.empty()) {
    const std::string_view word = text.substr(0, size_while(false));
    const std::string_view first = first_characters(word, 1);
    upper(first, out);
    lower(word.substr(first.size()), out);
    text.remove_prefix(word.size());
    const std::size_t borders = size_while(true);
    out += text.substr(0, borders);
    text.remove_prefix(borders);
  }
  return Value::made(out);
}

Value replace_filter(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t count =
      given[2] && !given[2]->is_none() ? to_integer(*given[2], "replace") : -1;
  Builder out(in.budget());
  replace(in.text(value)->bytes, in.text(*given[0])->bytes, in.text(*given[1])->bytes, count, out);
  return Value::made(out, is_markup(value));
}

// That many spaces, of which there are none when the number is negative.
std::string spaces(std::int64_t count, Budget& budget) {
  Builder out(budget);
  out.repeat(" ", static_cast<std::size_t>(std::max<std::int64_t>(count, 0)));
  return out.take();
}

Value indent(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("indent", arguments, {"width", "first", "blank"});
  std::string space(4, ' ');
  if (given[0])
    space = given[0]->text() != nullptr ? given[0]->text()->bytes
                                        : spaces(to_integer(*given[0], "indent"), in.budget());
  const bool blank = flag(given[2], false);
  Builder text(in.budget()), out(in.budget());
  text += in.text(value)->bytes;
  text += '\n';
  in.budget().spend_characters(text.view().size());
  if (flag(given[1], false)) out += space;
  bool is_first = true;
  for (std::string_view rest = text.view(); !rest.empty(); is_first = false) {
    in.budget().spend(1);
    const std::string_view line = take_line(rest, false);
    if (!is_first) out += '\n';
    if (!is_first && (blank || !line.empty())) out += space;
    out += line;
  }
  return Value::made(out, is_markup(value));
}

Value center(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("center", arguments, {"width"});
  const auto text = in.text(value);
  in.budget().spend_bytes(text->bytes.size());
  const auto size = static_cast<std::int64_t>(count_characters(text->bytes));
  const std::int64_t width = given[0] ? to_integer(*given[0], "center") : 80;
  const std::int64_t padding = width > size ? width - size : 0;
  // Python puts the odd space to the left of texts of odd width.
  const std::int64_t left = padding / 2 + (padding & width & 1);
  Builder out(in.budget());
  out.repeat(" ", static_cast<std::size_t>(left));
  out += text->bytes;
  out.repeat(" ", static_cast<std::size_t>(padding - left));
  return Value::made(out);
}

Value safe(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("safe", arguments, {});
  if (is_markup(value)) return value;
  Builder out(in.budget());
  out += in.text(value)->bytes;
  return Value::made(out, true);
}

Value force_escape(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("forceescape", arguments, {});
  Builder out(in.budget());
  escape_html(in.text(value)->bytes, out);
  return Value::made(out, true);
}

Value escape(Interpreter& in, const Value& value, const Arguments& arguments) {
  return is_markup(value) ? value : force_escape(in, value, arguments);
}

Value to_string(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("string", arguments, {});
  return Value(in.text(value));
}

Value format(Interpreter& in, const Value& value, const Arguments& arguments) {
  if (!arguments.named.empty() && !arguments.positional.empty())
    fail("\"format\" takes values by position or by name, not both");
  const auto text = in.text(value);
  if (!arguments.named.empty()) {
    Dict dict(in.budget());
    for (const auto& [name, item] : arguments.named) dict.set(Value::made(name, in.budget()), item);
    return format_percent(text->bytes, Value::dict(std::move(dict)), in.budget());
  }
  Items items(in.budget());
  items.append(arguments.positional);
  return format_percent(text->bytes, Value::sequence(SequenceKind::tuple, std::move(items)),
                        in.budget());
}

// Runs of letters, digits and underscores.
Value count_words(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("wordcount", arguments, {});
  const auto shared = in.text(value);
  const std::string_view text = shared->bytes;
  in.budget().spend_characters(text.size());
  std::int64_t count = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size(); at += character_size(text, at)) {
    const char32_t c = decode_utf8(text, at).value;
    const bool is_part = is_letter(c) || is_numeric(c) || c == '_';
    count += is_part && !inside ? 1 : 0;
    inside = is_part;
  }
  return Value(count);
}

JsonStyle json_style(const std::vector<std::optional<Value>>& given, Budget& budget) {
  JsonStyle style;
  style.ascii = flag(given[0], false);
  style.sort_keys = flag(given[3], false);
  if (given[1] && !given[1]->is_none()) {
    style.item_separator = ",";
    if (const Text* text = given[1]->text()) {
      style.indent = text->bytes;
    } else {
      style.indent = spaces(to_integer(*given[1], "tojson"), budget);
    }
  }
  if (given[2] && !given[2]->is_none()) {
    const Items separators = items_of(*given[2], budget);
    if (separators.size() != 2) fail("\"tojson\" needs two separators");
    style.item_separator = to_string_argument(separators[0], "tojson");
    style.key_separator = to_string_argument(separators[1], "tojson");
  }
  return style;
}

// As the reference overrides it: no escaping for HTML, letters of all scripts as they are.
Value to_json(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given =
      bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  Builder out(in.budget());
  write_json(value, json_style(given, in.budget()), out);
  return Value::made(out);
}

}  // namespace

const std::vector<Builtin<Filter>> text_filters = {
    {"trim", trim},
    {"upper", changed<upper>},
    {"lower", changed<lower>},
    {"capitalize", changed<capitalize>},
    {"title", title_words},
    {"replace", replace_filter},
    {"indent", indent},
    {"center", center},
    {"safe", safe},
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"string", to_string},
    {"format", format},
    {"wordcount", count_words},
    {"tojson", to_json},
};

}  // namespace llm::detail::jinja
