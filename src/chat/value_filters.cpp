// Filters that make numbers, and those that look at one value as it is.
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {
namespace {

Value default_filter(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("default", arguments, {"default_value", "boolean"});
  const bool is_missing = value.is_undefined() || (flag(given[1], false) && !is_true(value));
  if (!is_missing) return value;
  return given[0] ? *given[0] : Value(std::string());
}

std::optional<std::int64_t> truncated(double number) {
  constexpr double limit = 9.2e18;
  if (std::isnan(number) || std::isinf(number)) return std::nullopt;
  if (std::fabs(number) > limit) fail("the number " + float_text(number) + " is too large");
  return static_cast<std::int64_t>(number);
}

Value to_int(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("int", arguments, {"default", "base"});
  const Value otherwise = given[0] ? *given[0] : Value(std::int64_t{0});
  const std::int64_t base = given[1] ? to_integer(*given[1], "int") : 10;
  if (base != 2 && base != 8 && base != 10 && base != 16)
    fail("\"int\" needs the base 2, 8, 10 or 16, got " + std::to_string(base));
  if (value.is_undefined()) fail_undefined(value);
  if (const auto integer = integer_of(value)) return Value(*integer);
  std::optional<double> number = number_of(value);
  if (const Text* text = value.text()) {
    if (const auto integer = parse_integer(text->bytes, static_cast<int>(base)))
      return Value(*integer);
    number = parse_float(text->bytes);
  }
  const auto integer = number ? truncated(*number) : std::nullopt;
  return integer ? Value(*integer) : otherwise;
}

Value to_float(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("float", arguments, {"default"});
  if (value.is_undefined()) fail_undefined(value);
  if (const auto number = number_of(value)) return Value(*number);
  const auto number = value.text() != nullptr ? parse_float(value.text()->bytes) : std::nullopt;
  if (number) return Value(*number);
  return given[0] ? *given[0] : Value(0.0);
}

Value absolute(Interpreter&, const Value& value, const Arguments& arguments) {
  bind("abs", arguments, {});
  if (value.is_float()) return Value(std::fabs(*number_of(value)));
  const auto integer = integer_of(value);
  if (!integer) {
    if (value.is_undefined()) fail_undefined(value);
    fail("\"abs\" needs a number, got " + kind_name(value));
  }
  return *integer < 0 ? negative(Value(*integer)) : Value(*integer);
}

// To the nearest, half to even where the number is exactly half.
double round_digits(double number, int digits) {
  if (!std::isfinite(number)) return number;
  if (digits >= 0) {
    std::array<char, 512> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, number);
    double rounded = 0;
    std::sscanf(buffer.data(), "%lf", &rounded);
    return rounded;
  }
  const double scale = std::pow(10.0, -digits);
  return std::nearbyint(number / scale) * scale;
}

Value round_filter(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("round", arguments, {"precision", "method"});
  const std::int64_t digits = given[0] ? to_integer(*given[0], "round") : 0;
  const std::string method = given[1] ? to_string_argument(*given[1], "round") : "common";
  constexpr std::int64_t most = 100;
  if (std::abs(digits) > most) fail("\"round\" needs a precision of at most 100 digits");
  if (value.is_undefined()) fail_undefined(value);
  const auto number = number_of(value);
  if (!number) fail("\"round\" needs a number, got " + kind_name(value));
  if (method == "common") {
    if (const auto integer = integer_of(value); integer && digits >= 0) return Value(*integer);
    const double rounded = round_digits(*number, static_cast<int>(digits));
    return value.is_float() ? Value(rounded) : Value(static_cast<std::int64_t>(rounded));
  }
  if (method != "ceil" && method != "floor")
    fail("\"round\" knows the methods common, ceil and floor, not " + quote(method));
  const double scale = std::pow(10.0, static_cast<double>(digits));
  return Value((method == "ceil" ? std::ceil(*number * scale) : std::floor(*number * scale)) /
               scale);
}

Value attr(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("attr", arguments, {"name"}, 1);
  if (value.is_undefined()) fail_undefined(value);
  // Attributes alone: of a dict its methods, not its items.
  if (value.dict() != nullptr && find_method(value, in.text(*given[0])) == nullptr)
    return Value::undefined("attribute " + quote(in.text(*given[0])) + " of a dict");
  return in.attribute(value, in.text(*given[0]));
}

Value length(Interpreter&, const Value& value, const Arguments& arguments) {
  bind("length", arguments, {});
  const auto length = length_of(value);
  if (!length) fail(kind_name(value) + " has no length");
  return Value(static_cast<std::int64_t>(*length));
}

}  // namespace

const std::vector<Builtin<Filter>> value_filters = {
    {"default", default_filter}, {"d", default_filter},   {"int", to_int}, {"float", to_float},
    {"abs", absolute},           {"round", round_filter}, {"attr", attr},  {"length", length},
    {"count", length},
};

}  // namespace llm::detail::jinja
