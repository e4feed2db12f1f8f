// "%s" % values and "{}".format(values), as far as templates use them.
#include <array>
#include <charconv>
#include <cmath>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {
namespace {

struct Directive {
  bool left = false, zeros = false, sign = false;
  std::size_t width = 0;
  std::optional<int> precision;
  char kind = 's';
};

std::size_t take_number(std::string_view format, std::size_t& at) {
  std::size_t number = 0;
  constexpr std::size_t limit = 100'000;
  while (at < format.size() && is_digit(format[at])) {
    number = number * 10 + static_cast<std::size_t>(format[at++] - '0');
    if (number > limit) fail("a width in a format is too large");
  }
  return number;
}

Directive take_directive(std::string_view format, std::size_t& at) {
  Directive directive;
  for (; at < format.size() && std::string_view("-0+ #").find(format[at]) != std::string_view::npos;
       ++at) {
    directive.left |= format[at] == '-';
    directive.zeros |= format[at] == '0';
    directive.sign |= format[at] == '+';
  }
  directive.width = take_number(format, at);
  if (at < format.size() && format[at] == '.')
    directive.precision = static_cast<int>(take_number(format, ++at));
  if (at >= format.size()) fail("a format ends in the middle of a directive");
  directive.kind = format[at++];
  return directive;
}

std::string float_digits(double number, const Directive& directive) {
  constexpr int most = 60;
  if (std::isnan(number))
    return directive.kind == 'f' || directive.kind == 'e' || directive.kind == 'g' ? "nan" : "NAN";
  const bool is_upper = directive.kind == 'F' || directive.kind == 'E' || directive.kind == 'G';
  const char kind = is_upper ? static_cast<char>(directive.kind | 0x20) : directive.kind;
  const auto form = kind == 'f'   ? std::chars_format::fixed
                    : kind == 'e' ? std::chars_format::scientific
                                  : std::chars_format::general;
  std::array<char, 512> buffer{};
  const int precision = std::min(directive.precision.value_or(6), most);
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, form, precision);
  std::string digits(buffer.data(), written.ptr);
  if (is_upper) {
    for (char& c : digits) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return digits;
}

std::int64_t whole_number(double number) {
  constexpr double limit = 9.2e18;
  if (!(std::fabs(number) < limit))
    fail("a format needs an integer that is not too large, got " + float_text(number));
  return static_cast<std::int64_t>(number);
}

std::string number_digits(const Value& value, const Directive& directive) {
  const auto number = number_of(value);
  if (!number) fail("a format needs a number, got " + kind_name(value));
  std::string digits;
  if (std::string_view("di").find(directive.kind) != std::string_view::npos) {
    const auto integer = integer_of(value);
    digits = std::to_string(integer ? *integer : whole_number(*number));
  } else {
    digits = float_digits(*number, directive);
  }
  if (directive.sign && !digits.starts_with('-')) digits.insert(0, 1, '+');
  return digits;
}

void write_number(const Directive& directive, const Value& value, Builder& out) {
  const std::string digits = number_digits(value, directive);
  const std::size_t padding = directive.width > digits.size() ? directive.width - digits.size() : 0;
  const bool zeros = directive.zeros && !directive.left;
  const bool has_sign = digits.starts_with('-') || digits.starts_with('+');
  if (!zeros && !directive.left) out.repeat(" ", padding);
  out += std::string_view(digits).substr(0, has_sign ? 1 : 0);
  if (zeros) out.repeat("0", padding);
  out += std::string_view(digits).substr(has_sign ? 1 : 0);
  if (directive.left) out.repeat(" ", padding);
}

void write_text(const Directive& directive, std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
  if (directive.precision)
    text = first_characters(text, static_cast<std::size_t>(*directive.precision));
  const std::size_t size = count_characters(text);
  const std::size_t padding = directive.width > size ? directive.width - size : 0;
  if (!directive.left) out.repeat(" ", padding);
  out += text;
  if (directive.left) out.repeat(" ", padding);
}

void write_directive(const Directive& directive, const Value& value, Builder& out) {
  out.budget().spend(1);
  if (std::string_view("difFeEgG").find(directive.kind) != std::string_view::npos) {
    write_number(directive, value, out);
  } else if (directive.kind == 's') {
    write_text(directive, text_of(value, out.budget())->bytes, out);
  } else if (directive.kind == 'r') {
    Builder repr(out.budget());
    write_repr(value, repr);
    write_text(directive, repr.view(), out);
  } else {
    fail("the format " + quote(std::string("%") + directive.kind) + " is not supported");
  }
}

}  // namespace

Value format_percent(std::string_view format, const Value& values, Budget& budget) {
  const Sequence* tuple = values.sequence();
  if (tuple != nullptr && tuple->kind != SequenceKind::tuple) tuple = nullptr;
  const std::size_t count = tuple != nullptr ? tuple->items.size() : 1;
  std::size_t used = 0;
  Builder out(budget);
  for (std::size_t at = 0; at < format.size();) {
    const char c = format[at++];
    if (c != '%') {
      out += c;
      continue;
    }
    const Dict* dict = nullptr;
    Value named;
    if (at < format.size() && format[at] == '(') {
      const std::size_t close = format.find(')', at);
      dict = values.dict();
      if (dict == nullptr || close == std::string_view::npos)
        fail("a format with names needs a dict");
      const Value* found = dict->member(format.substr(at + 1, close - at - 1));
      if (found == nullptr) fail("the dict lacks a name that the format asks for");
      named = *found;
      at = close + 1;
      used = count;
    }
    const Directive directive = take_directive(format, at);
    if (directive.kind == '%') {
      out += '%';
    } else if (dict != nullptr) {
      write_directive(directive, named, out);
    } else {
      if (used == count) fail("a format asks for more values than there are");
      write_directive(directive, tuple != nullptr ? tuple->items[used] : values, out);
      ++used;
    }
  }
  if (used < count && values.dict() == nullptr)
    fail("a format asks for fewer values than there are");
  return Value::made(out);
}

namespace {

[[noreturn]] void fail_field(std::string_view field) {
  fail("the field " + quote(field) + " of a format has no value");
}

// The value that a field of "{}".format() stands for.
Value field_value(std::string_view field, std::size_t& next, const Arguments& arguments) {
  if (field.empty() || is_digit(field[0])) {
    std::size_t at = 0;
    const std::size_t index = field.empty() ? next++ : take_number(field, at);
    if (at < field.size() || index >= arguments.positional.size()) fail_field(field);
    return arguments.positional[index];
  }
  for (const auto& [name, value] : arguments.named) {
    if (name == field) return value;
  }
  fail_field(field);
}

}  // namespace

Value format_braces(std::string_view format, const Arguments& arguments, Interpreter& in) {
  Builder out(in.budget());
  std::size_t next = 0;
  for (std::size_t at = 0; at < format.size();) {
    const char c = format[at++];
    const bool is_brace = c == '{' || c == '}';
    if (!is_brace || (at < format.size() && format[at] == c)) {
      out += c;
      at += is_brace ? 1 : 0;
      continue;
    }
    const std::size_t close = format.find('}', at);
    if (c == '}' || close == std::string_view::npos) fail("a format has a brace without its pair");
    const std::string_view field = format.substr(at, close - at);
    const std::size_t colon = field.find_first_of(":!.[");
    if (colon != std::string_view::npos)
      fail("fields of a format with more than a name are not supported");
    in.budget().spend(1 + arguments.named.size());
    out += in.text(field_value(field, next, arguments))->bytes;
    at = close + 1;
  }
  return Value::made(out);
}

}  // namespace llm::detail::jinja
