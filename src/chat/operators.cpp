// Arithmetic, comparison, slices and % formatting, as Python does them.
#include <algorithm>
#include <cmath>

#include "chat/interpreter.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

[[noreturn]] void fail_operands(const char* what, const Value& a, const Value& b) {
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  fail(std::string("cannot ") + what + " " + kind_name(a) + " and " + kind_name(b));
}

[[noreturn]] void fail_large() { fail("the result of an operation on integers is too large"); }

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) fail("division by zero");
  if (a == INT64_MIN && b == -1) fail_large();
  return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) fail("division by zero");
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double modulo(double a, double b) {
  if (b == 0) fail("division by zero");
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Value power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) fail("division by zero");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  for (bool square = false; exponent > 0; exponent >>= 1U, square = true) {
    if (square && __builtin_mul_overflow(base, base, &base)) fail_large();
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_large();
  }
  return Value(result);
}

Value integers(Operator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool is_large = false;
  switch (op) {
    case Operator::add:
      is_large = __builtin_add_overflow(a, b, &result);
      break;
    case Operator::subtract:
      is_large = __builtin_sub_overflow(a, b, &result);
      break;
    case Operator::multiply:
      is_large = __builtin_mul_overflow(a, b, &result);
      break;
    case Operator::floor_divide:
      result = floor_divide(a, b);
      break;
    case Operator::modulo:
      result = modulo(a, b);
      break;
    case Operator::power:
      return power(a, b);
    default:
      if (b == 0) fail("division by zero");
      return Value(static_cast<double>(a) / static_cast<double>(b));
  }
  if (is_large) fail_large();
  return Value(result);
}

Value doubles(Operator op, double a, double b) {
  switch (op) {
    case Operator::add:
      return Value(a + b);
    case Operator::subtract:
      return Value(a - b);
    case Operator::multiply:
      return Value(a * b);
    case Operator::modulo:
      return Value(modulo(a, b));
    case Operator::power:
      if (a == 0 && b < 0) fail("division by zero");
      return Value(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) fail("division by zero");
  return Value(op == Operator::divide ? a / b : std::floor(a / b));
}

Value add_texts(const Text& a, const Text& b, Budget& budget) {
  const bool is_markup = a.is_markup || b.is_markup;
  Builder out(budget);
  for (const Text* part : {&a, &b}) {
    if (is_markup && !part->is_markup) {
      escape_html(part->bytes, out);
    } else {
      out += part->bytes;
    }
  }
  return Value::made(out, is_markup);
}

// Text or a list, several times over.
Value repeat(const Value& value, std::int64_t count, Budget& budget) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (const Text* text = value.text()) {
    Builder out(budget);
    out.repeat(text->bytes, times);
    return Value::made(out, text->is_markup);
  }
  const Sequence& sequence = *value.sequence();
  Items items(budget);
  for (std::size_t i = 0; i < times && !sequence.items.empty(); ++i) items.append(sequence.items);
  return Value::sequence(sequence.kind, std::move(items));
}

bool can_repeat(const Value& value) {
  const Sequence* sequence = value.sequence();
  return value.text() != nullptr || (sequence != nullptr && sequence->kind <= SequenceKind::tuple);
}

Value add_sequences(const Sequence& a, const Sequence& b, Budget& budget) {
  Items items(budget);
  items.reserve(a.items.size() + b.items.size());
  items.append(a.items);
  items.append(b.items);
  return Value::sequence(a.kind, std::move(items));
}

}  // namespace

Value arithmetic(Operator op, const Value& a, const Value& b, Budget& budget) {
  static constexpr const char* names[] = {
      "add", "subtract", "multiply", "divide", "divide", "take the rest of", "take the power of"};
  if (a.is_number() && b.is_number()) {
    const auto x = integer_of(a), y = integer_of(b);
    return x && y ? integers(op, *x, *y) : doubles(op, *number_of(a), *number_of(b));
  }
  if (op == Operator::add && a.text() != nullptr && b.text() != nullptr)
    return add_texts(*a.text(), *b.text(), budget);
  const Sequence *x = a.sequence(), *y = b.sequence();
  if (op == Operator::add && x != nullptr && y != nullptr && x->kind == y->kind && can_repeat(a))
    return add_sequences(*x, *y, budget);
  if (op == Operator::multiply && can_repeat(a) && integer_of(b))
    return repeat(a, *integer_of(b), budget);
  if (op == Operator::multiply && can_repeat(b) && integer_of(a))
    return repeat(b, *integer_of(a), budget);
  if (op == Operator::modulo && a.text() != nullptr)
    return format_percent(a.text()->bytes, b, budget);
  fail_operands(names[static_cast<std::size_t>(op)], a, b);
}

Value negative(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_float()) return Value(-*number_of(value));
  if (const auto integer = integer_of(value)) {
    if (*integer == INT64_MIN) fail_large();
    return Value(-*integer);
  }
  fail("cannot take the negative of " + kind_name(value));
}

bool compare(Operator op, const Value& a, const Value& b, Budget& budget) {
  switch (op) {
    case Operator::equal:
      return equal(a, b, budget);
    case Operator::not_equal:
      return !equal(a, b, budget);
    case Operator::less:
      return less_than(a, b, budget);
    case Operator::greater:
      return less_than(b, a, budget);
    case Operator::less_equal:
      return less_than(a, b, budget) || equal(a, b, budget);
    case Operator::greater_equal:
      return less_than(b, a, budget) || equal(a, b, budget);
    case Operator::in:
      return contains(b, a, budget);
    default:
      return !contains(b, a, budget);
  }
}

namespace {

// A border of a slice, made to lie in [low, high].
std::int64_t border(const Value& value, std::int64_t otherwise, std::int64_t size, std::int64_t low,
                    std::int64_t high) {
  if (value.is_none()) return otherwise;
  const auto index = integer_of(value);
  if (!index) {
    if (value.is_undefined()) fail_undefined(value);
    fail("a slice needs integers, got " + kind_name(value));
  }
  return std::clamp(*index < 0 ? *index + size : *index, low, high);
}

// Where a slice goes: from, by steps, until to is reached or passed.
struct Slice {
  Slice(const Value& start, const Value& stop, const Value& step, std::int64_t size) {
    constexpr std::int64_t limit = std::int64_t{1} << 40U;
    by = border(step, 1, 0, -limit, limit);
    if (by == 0) fail("the step of a slice cannot be 0");
    const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
    from = border(start, by < 0 ? high : low, size, low, high);
    to = border(stop, by < 0 ? low : high, size, low, high);
  }
  bool ended(std::int64_t at) const { return by < 0 ? at <= to : at >= to; }

  std::int64_t from = 0, to = 0, by = 1;
};

// The byte that `count` characters before (negative) or behind the byte `at` begins a character.
std::size_t moved(std::string_view text, std::size_t at, std::int64_t count) {
  for (; count > 0 && at < text.size(); --count) at += character_size(text, at);
  for (; count < 0 && at > 0; ++count) {
    do --at;
    while (at > 0 && is_utf8_continuation(text[at]));
  }
  return at;
}

Value slice_text(const Text& text, const Slice& slice, Budget& budget) {
  Builder out(budget);
  if (slice.ended(slice.from)) return Value::made(out, text.is_markup);
  std::size_t at = moved(text.bytes, 0, slice.from);
  if (slice.by == 1) {
    const std::size_t end = moved(text.bytes, at, slice.to - slice.from);
    out += std::string_view(text.bytes).substr(at, end - at);
    return Value::made(out, text.is_markup);
  }
  for (std::int64_t i = slice.from; !slice.ended(i); i += slice.by) {
    out += std::string_view(text.bytes).substr(at, character_size(text.bytes, at));
    if (!slice.ended(i + slice.by)) at = moved(text.bytes, at, slice.by);
  }
  return Value::made(out, text.is_markup);
}

}  // namespace

Value slice(const Value& value, const Value& start, const Value& stop, const Value& step,
            Budget& budget) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.dict() != nullptr) fail("a dict has no slices");
  if (const Text* text = value.text()) {
    budget.spend(text->bytes.size() / 16);
    const auto size = static_cast<std::int64_t>(count_characters(text->bytes));
    return slice_text(*text, Slice(start, stop, step, size), budget);
  }
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::view)
    return Value::undefined("a slice of " + kind_name(value), budget);
  const Slice slice(start, stop, step, static_cast<std::int64_t>(sequence->items.size()));
  Items items(budget);
  for (std::int64_t i = slice.from; !slice.ended(i); i += slice.by)
    items.push_back(sequence->items[static_cast<std::size_t>(i)]);
  const bool is_tuple = sequence->kind == SequenceKind::tuple;
  return Value::sequence(is_tuple ? SequenceKind::tuple : SequenceKind::list, std::move(items));
}

}  // namespace llm::detail::jinja
