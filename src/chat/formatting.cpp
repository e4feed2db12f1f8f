// "%s" % values and "{}".format(values), as far as templates use them.
#include <array>
#include <cctype>
#include <cstdio>

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
  while (at < format.size() && std::isdigit(static_cast<unsigned char>(format[at])) != 0) {
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
  std::array<char, 512> buffer{};
  const std::string format = std::string("%.*") + directive.kind;
  const int precision = std::min(directive.precision.value_or(6), most);
  const int size = std::snprintf(buffer.data(), buffer.size(), format.c_str(), precision, number);
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}

std::string number_digits(const Value& value, const Directive& directive) {
  const auto number = number_of(value);
  if (!number) fail("a format needs a number, got " + kind_name(value));
  std::string digits;
  if (std::string_view("di").find(directive.kind) != std::string_view::npos) {
    const auto integer = integer_of(value);
    digits = std::to_string(integer ? *integer : static_cast<std::int64_t>(*number));
  } else {
    digits = float_digits(*number, directive);
  }
  if (directive.sign && !digits.starts_with('-')) digits.insert(0, 1, '+');
  return digits;
}

void write_directive(const Directive& directive, const Value& value, Builder& out) {
  std::string text;
  const bool is_number =
      std::string_view("difFeEgG").find(directive.kind) != std::string_view::npos;
  if (is_number) {
    text = number_digits(value, directive);
  } else if (directive.kind == 's') {
    text = to_text(value, out.budget());
  } else if (directive.kind == 'r') {
    Builder repr(out.budget());
    write_repr(value, repr);
    text = repr.take();
  } else {
    fail(std::string("the format %") + directive.kind + " is not supported");
  }
  if (!is_number && directive.precision)
    text = encode(decode(text).substr(0, static_cast<std::size_t>(*directive.precision)));
  const std::size_t size = count_characters(text);
  const std::size_t padding = directive.width > size ? directive.width - size : 0;
  if (directive.zeros && is_number && !directive.left) {
    const bool has_sign = text.starts_with('-') || text.starts_with('+');
    text.insert(has_sign ? 1 : 0, std::string(padding, '0'));
  } else if (!directive.left) {
    out.repeat(" ", padding);
  }
  out += text;
  if (directive.left) out.repeat(" ", padding);
}

}  // namespace

std::string format_percent(std::string_view format, const Value& values, Budget& budget) {
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
  return out.take();
}

namespace {

// The value that a field of "{}".format() stands for.
Value field_value(std::string_view field, std::size_t& next, const Arguments& arguments) {
  if (field.empty() || std::isdigit(static_cast<unsigned char>(field[0])) != 0) {
    std::size_t at = 0;
    const std::size_t index = field.empty() ? next++ : take_number(field, at);
    if (at < field.size() || index >= arguments.positional.size())
      fail("the field {" + std::string(field) + "} of a format has no value");
    return arguments.positional[index];
  }
  for (const auto& [name, value] : arguments.named) {
    if (name == field) return value;
  }
  fail("the field {" + std::string(field) + "} of a format has no value");
}

}  // namespace

std::string format_braces(std::string_view format, const Arguments& arguments, Interpreter& in) {
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
    out += in.text(field_value(field, next, arguments));
    at = close + 1;
  }
  return out.take();
}

}  // namespace llm::detail::jinja
