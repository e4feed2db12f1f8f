// Filters that make numbers, and those that look at one value as it is.
#include <array>
#include <charconv>
#include <cmath>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {
namespace {

Value default_filter(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("default", arguments, {"default_value", "boolean"});
  const bool is_missing = value.is_undefined() || (flag(given[1], false) && !is_true(value));
  if (!is_missing) return value;
  return given[0] ? *given[0] : Value::given({});
}

std::optional<std::int64_t> truncated(double number) {
  constexpr double limit = 9.2e18;
  if (std::isnan(number) || std::isinf(number)) return std::nullopt;
  if (std::fabs(number) > limit) fail("the number " + float_text(number) + " is too large");
  return static_cast<std::int64_t>(number);
}

Value to_int(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("int", arguments, {"default", "base"});
  const Value otherwise = given[0] ? *given[0] : Value(std::int64_t{0});
  const std::int64_t base = given[1] ? to_integer(*given[1], "int") : 10;
  if (base != 2 && base != 8 && base != 10 && base != 16)
    fail("\"int\" needs the base 2, 8, 10 or 16, got " + std::to_string(base));
  if (value.is_undefined()) fail_undefined(value);
  if (const auto integer = integer_of(value)) return Value(*integer);
  std::optional<double> number = number_of(value);
  if (const Text* text = value.text()) {
    in.budget().spend_characters(text->bytes.size());
    if (const auto integer = parse_integer(text->bytes, static_cast<int>(base)))
      return Value(*integer);
    number = parse_float(text->bytes);
  }
  const auto integer = number ? truncated(*number) : std::nullopt;
  return integer ? Value(*integer) : otherwise;
}

Value to_float(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("float", arguments, {"default"});
  if (const Text* text = value.text()) in.budget().spend_characters(text->bytes.size());
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
std::int64_t round_integer(std::int64_t number, std::int64_t digits) {
  constexpr std::int64_t most = 19;  // tens of 2^63
  if (digits >= 0) return number;
  if (digits < -most) return 0;
  std::uint64_t scale = 1;
  for (std::int64_t i = digits; i < 0; ++i) scale *= 10;
  const std::uint64_t size =
      number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  const std::uint64_t rest = size % scale, below = size - rest;
  const bool up = rest > scale - rest || (rest == scale - rest && below / scale % 2 == 1);
  const std::uint64_t rounded = below + (up ? scale : 0);
  if (rounded > static_cast<std::uint64_t>(INT64_MAX))
    fail("the number " + std::to_string(number) + " is too large to be rounded");
  return number < 0 ? -static_cast<std::int64_t>(rounded) : static_cast<std::int64_t>(rounded);
}

double round_float(double number, int digits) {
  if (!std::isfinite(number)) return number;
  if (digits < 0) {
    const double scale = std::pow(10.0, -digits);
    const double scaled = number / scale, below = std::floor(scaled), rest = scaled - below;
    const bool up = rest > 0.5 || (rest == 0.5 && std::fmod(below, 2) != 0);
    return std::copysign(below + (up ? 1 : 0), number) * scale;
  }
  std::array<char, 512> buffer{};
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                     std::chars_format::fixed, digits);
  double rounded = 0;
  std::from_chars(buffer.data(), written.ptr, rounded);
  return rounded;
}

Value round_filter(Interpreter&, const Value& value, const Arguments& arguments) {
  const auto given = bind("round", arguments, {"precision", "method"});
  const std::int64_t digits = given[0] ? to_integer(*given[0], "round") : 0;
  const std::string method = given[1] ? to_string_argument(*given[1], "round") : "common";
  constexpr std::int64_t most = 100;
  if (digits > most || digits < -most) fail("\"round\" needs a precision of at most 100 digits");
  if (value.is_undefined()) fail_undefined(value);
  const auto number = number_of(value);
  if (!number) fail("\"round\" needs a number, got " + kind_name(value));
  if (method == "common") {
    if (const auto integer = integer_of(value)) return Value(round_integer(*integer, digits));
    return Value(round_float(*number, static_cast<int>(digits)));
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
  const auto name = in.text(*given[0]);
  // Attributes alone: of a dict its methods, not its items.
  if (value.dict() != nullptr && find_method(value, name->bytes) == nullptr)
    return Value::undefined("attribute " + quote(name->bytes) + " of a dict", in.budget());
  return in.attribute(value, name->bytes);
}

Value length(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("length", arguments, {});
  if (const Text* text = value.text()) in.budget().spend_bytes(text->bytes.size());
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
