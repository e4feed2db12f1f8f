// Filters that make texts.
#include <algorithm>

#include "chat/builtins.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

bool is_markup(const Value& value) { return value.text() != nullptr && value.text()->is_markup; }

template <std::string (*change)(std::string_view)>
Value changed(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("a filter of case", arguments, {});
  std::string text = change(in.text(value));
  in.budget().spend_text(text.size());
  return Value(std::move(text), is_markup(value));
}

Value trim(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("trim", arguments, {"chars"});
  const std::string text = in.text(value);
  if (!given[0] || given[0]->is_none())
    return Value(std::string(strip(text, Side::both)), is_markup(value));
  const std::string& set = to_string_argument(*given[0], "trim");
  return Value(std::string(strip(text, Side::both, set)), is_markup(value));
}

// Words begin after white space, hyphens and opening brackets.
Value title_words(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("title", arguments, {});
  const std::string text = in.text(value);
  in.budget().spend_text(text.size());
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto is_border = [&](std::size_t at) {
      return std::string_view("-({[<").find(text[at]) != std::string_view::npos ||
             strip(text.substr(at, character_size(text, at)), Side::both).empty();
    };
    std::size_t end = begin;
    while (end < text.size() && !is_border(end)) end += character_size(text, end);
    if (end > begin) {
      const std::size_t first = character_size(text, begin);
      out +=
          upper(text.substr(begin, first)) + lower(text.substr(begin + first, end - begin - first));
    }
    for (; end < text.size() && is_border(end); end += character_size(text, end))
      out += text.substr(end, character_size(text, end));
    begin = end;
  }
  return Value(std::move(out));
}

Value replace_filter(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("replace", arguments, {"old", "new", "count"}, 2);
  const std::int64_t count =
      given[2] && !given[2]->is_none() ? to_integer(*given[2], "replace") : -1;
  return Value(replace(in.text(value), in.text(*given[0]), in.text(*given[1]), count, in.budget()),
               is_markup(value));
}

Value indent(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("indent", arguments, {"width", "first", "blank"});
  std::string space(4, ' ');
  if (given[0] && given[0]->text() != nullptr) {
    space = given[0]->text()->bytes;
  } else if (given[0]) {
    const std::int64_t width = std::max<std::int64_t>(to_integer(*given[0], "indent"), 0);
    in.budget().spend_text(static_cast<std::size_t>(width));
    space.assign(static_cast<std::size_t>(width), ' ');
  }
  const std::vector<std::string> lines = split_lines(in.text(value) + "\n", false);
  const bool blank = flag(given[2], false);
  Builder out(in.budget());
  if (flag(given[1], false)) out += space;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += '\n';
      if (blank || !lines[i].empty()) out += space;
    }
    out += lines[i];
  }
  return Value(out.take(), is_markup(value));
}

Value center(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("center", arguments, {"width"});
  const std::string text = in.text(value);
  const auto size = static_cast<std::int64_t>(count_characters(text));
  const std::int64_t width = given[0] ? to_integer(*given[0], "center") : 80;
  const std::int64_t padding = std::max<std::int64_t>(width - size, 0);
  // Python puts the odd space to the left of texts of odd width.
  const std::int64_t left = padding / 2 + (padding & width & 1);
  Builder out(in.budget());
  out.repeat(" ", static_cast<std::size_t>(left));
  out += text;
  out.repeat(" ", static_cast<std::size_t>(padding - left));
  return Value(out.take());
}

Value safe(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("safe", arguments, {});
  return Value(in.text(value), true);
}

Value escape(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("escape", arguments, {});
  if (is_markup(value)) return value;
  return Value(escape_html(in.text(value), in.budget()), true);
}

Value force_escape(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("forceescape", arguments, {});
  return Value(escape_html(in.text(value), in.budget()), true);
}

Value to_string(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("string", arguments, {});
  return value.text() != nullptr ? value : Value(in.text(value));
}

Value format(Interpreter& in, const Value& value, const Arguments& arguments) {
  if (!arguments.named.empty() && !arguments.positional.empty())
    fail("\"format\" takes values by position or by name, not both");
  Value values = Value::sequence(SequenceKind::tuple, arguments.positional);
  if (!arguments.named.empty()) {
    Dict dict;
    for (const auto& [name, item] : arguments.named) dict.set(Value(name), item);
    values = Value::dict(std::move(dict));
  }
  return Value(format_percent(in.text(value), values, in.budget()));
}

// Runs of letters, digits and underscores.
Value count_words(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("wordcount", arguments, {});
  std::int64_t count = 0;
  bool inside = false;
  for (const char32_t c : decode(in.text(value))) {
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
      const auto width = std::max<std::int64_t>(to_integer(*given[1], "tojson"), 0);
      budget.spend_text(static_cast<std::size_t>(width));
      style.indent = std::string(static_cast<std::size_t>(width), ' ');
    }
  }
  if (given[2] && !given[2]->is_none()) {
    const std::vector<Value> separators = items_of(*given[2], budget);
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
  return Value(out.take());
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
