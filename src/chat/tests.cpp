// What may stand behind `is`.
#include <cmath>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {
namespace {

template <bool (*holds)(const Value&)>
bool plain(Interpreter&, const Value& value, const Arguments& arguments) {
  bind("a test", arguments, {});
  return holds(value);
}

bool is_sequence(const Value& value) {
  const Sequence* sequence = value.sequence();
  return value.text() != nullptr || value.dict() != nullptr || value.is_undefined() ||
         (sequence != nullptr && sequence->kind != SequenceKind::view);
}

bool is_iterable(const Value& value) {
  return is_sequence(value) || value.sequence() != nullptr || value.generator() != nullptr ||
         value.loop() != nullptr;
}

bool is_callable(const Value& value) {
  const Counter* counter = value.counter();
  // Undefined values have a call of their own, which fails.
  return value.function() != nullptr || value.is_undefined() || value.loop() != nullptr ||
         (counter != nullptr && counter->items.empty());
}

template <Operator op>
bool compares(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("a comparison", arguments, {"other"}, 1);
  return compare(op, value, *given[0], in.budget());
}

template <bool wanted>
bool even_or_odd(Interpreter&, const Value& value, const Arguments& arguments) {
  bind("even or odd", arguments, {});
  if (value.is_float()) return std::fabs(std::fmod(*number_of(value), 2)) == (wanted ? 0 : 1);
  return (to_integer(value, "even or odd") % 2 == 0) == wanted;
}

bool divisible(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("divisibleby", arguments, {"num"}, 1);
  const Value rest = arithmetic(Operator::modulo, value, *given[0], in.budget());
  return !is_true(rest);
}

bool same_as(Interpreter& in, const Value& value, const Arguments& arguments) {
  const auto given = bind("sameas", arguments, {"other"}, 1);
  return value.data.index() == given[0]->data.index() && in.equals(value, *given[0]);
}

bool lower_test(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("lower", arguments, {});
  const auto text = in.text(value);
  in.budget().spend_characters(text->bytes.size());
  return is_lower_text(text->bytes);
}

bool upper_test(Interpreter& in, const Value& value, const Arguments& arguments) {
  bind("upper", arguments, {});
  const auto text = in.text(value);
  in.budget().spend_characters(text->bytes.size());
  return is_upper_text(text->bytes);
}

bool filter_test(Interpreter&, const Value& value, const Arguments&) {
  const std::string& name = to_string_argument(value, "filter");
  return find_builtin(text_filters, name) != nullptr ||
         find_builtin(sequence_filters, name) != nullptr ||
         find_builtin(value_filters, name) != nullptr;
}

bool test_test(Interpreter&, const Value& value, const Arguments&) {
  return find_builtin(tests, to_string_argument(value, "test")) != nullptr;
}

}  // namespace

const std::vector<Builtin<Test>> tests = {
    {"defined", plain<[](const Value& v) { return !v.is_undefined(); }>},
    {"undefined", plain<[](const Value& v) { return v.is_undefined(); }>},
    {"none", plain<[](const Value& v) { return v.is_none(); }>},
    {"string", plain<[](const Value& v) { return v.text() != nullptr; }>},
    {"number", plain<[](const Value& v) { return v.is_number(); }>},
    {"integer", plain<[](const Value& v) { return v.is_integer(); }>},
    {"float", plain<[](const Value& v) { return v.is_float(); }>},
    {"boolean", plain<[](const Value& v) { return v.is_bool(); }>},
    {"true", plain<[](const Value& v) { return v.is_bool() && is_true(v); }>},
    {"false", plain<[](const Value& v) { return v.is_bool() && !is_true(v); }>},
    {"mapping", plain<[](const Value& v) { return v.dict() != nullptr; }>},
    {"sequence", plain<is_sequence>},
    {"iterable", plain<is_iterable>},
    {"callable", plain<is_callable>},
    {"escaped", plain<[](const Value& v) { return v.text() != nullptr && v.text()->is_markup; }>},
    {"equalto", compares<Operator::equal>},
    {"eq", compares<Operator::equal>},
    {"==", compares<Operator::equal>},
    {"ne", compares<Operator::not_equal>},
    {"!=", compares<Operator::not_equal>},
    {"greaterthan", compares<Operator::greater>},
    {"gt", compares<Operator::greater>},
    {">", compares<Operator::greater>},
    {"ge", compares<Operator::greater_equal>},
    {">=", compares<Operator::greater_equal>},
    {"lessthan", compares<Operator::less>},
    {"lt", compares<Operator::less>},
    {"<", compares<Operator::less>},
    {"le", compares<Operator::less_equal>},
    {"<=", compares<Operator::less_equal>},
    {"in", compares<Operator::in>},
    {"even", even_or_odd<true>},
    {"odd", even_or_odd<false>},
    {"divisibleby", divisible},
    {"sameas", same_as},
    {"lower", lower_test},
    {"upper", upper_test},
    {"filter", filter_test},
    {"test", test_test},
};

}  // namespace llm::detail::jinja
