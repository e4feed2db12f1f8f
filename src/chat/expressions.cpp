// Expressions: names, literals, operators and the chains behind a value.
#include <algorithm>

#include "chat/builtins.hpp"
#include "chat/interpreter.hpp"
#include "chat/level.hpp"

namespace llm::detail::jinja {

Value Interpreter::evaluate(const Expression& expression, const ScopePtr& scope) {
  const Level level(*this);
  budget_.spend(1);
  position_ = expression.at;
  switch (expression.kind) {
    case ExpressionKind::constant:
      return expression.constant;
    case ExpressionKind::name:
      return evaluate_name(expression, *scope);
    case ExpressionKind::list:
      return Value::list(evaluate_all(expression.operands, scope));
    case ExpressionKind::tuple:
      return Value::sequence(SequenceKind::tuple, evaluate_all(expression.operands, scope));
    case ExpressionKind::dict:
      return evaluate_dict(expression, scope);
    case ExpressionKind::conditional: {
      const auto& parts = expression.operands;
      if (is_true(evaluate(*parts[1], scope))) return evaluate(*parts[0], scope);
      return parts[2] != nullptr
                 ? evaluate(*parts[2], scope)
                 : Value::undefined("an if without else that does not hold", budget_);
    }
    case ExpressionKind::minus:
      return negative(evaluate(*expression.operands[0], scope));
    case ExpressionKind::plus:
      return negative(negative(evaluate(*expression.operands[0], scope)));
    case ExpressionKind::logical_not:
      return Value(!is_true(evaluate(*expression.operands[0], scope)));
    case ExpressionKind::all_of:
    case ExpressionKind::any_of:
      return evaluate_logic(expression, scope);
    case ExpressionKind::compare:
      return evaluate_compare(expression, scope);
    case ExpressionKind::arithmetic: {
      Value value = evaluate(*expression.operands[0], scope);
      for (std::size_t i = 0; i < expression.operators.size(); ++i) {
        const Value other = evaluate(*expression.operands[i + 1], scope);
        position_ = expression.at;
        value = arithmetic(expression.operators[i], value, other, budget_);
      }
      return value;
    }
    case ExpressionKind::concatenate:
      return evaluate_concatenate(expression, scope);
    case ExpressionKind::chain:
      return evaluate_chain(expression, scope);
  }
  return {};
}

Value Interpreter::evaluate_name(const Expression& expression, const Scope& scope) {
  budget_.spend_bytes(expression.name.size());
  if (const Value* found = scope.find(expression.name, budget_)) return *found;
  if (find_builtin(functions, expression.name) != nullptr)
    return Value::function({expression.name}, budget_);
  return Value::undefined(quote(expression.name), budget_);
}

Items Interpreter::evaluate_all(const std::vector<ExpressionPtr>& list, const ScopePtr& scope) {
  Items values(budget_);
  values.reserve(list.size());
  for (const ExpressionPtr& expression : list) values.push_back(evaluate(*expression, scope));
  return values;
}

Value Interpreter::evaluate_dict(const Expression& expression, const ScopePtr& scope) {
  Dict dict(budget_);
  for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
    const Value key = evaluate(*expression.operands[i], scope);
    dict.set(key, evaluate(*expression.operands[i + 1], scope));
  }
  return Value::dict(std::move(dict));
}

Value Interpreter::evaluate_logic(const Expression& expression, const ScopePtr& scope) {
  const bool stops_at = expression.kind == ExpressionKind::any_of;
  Value value;
  for (const ExpressionPtr& operand : expression.operands) {
    value = evaluate(*operand, scope);
    if (is_true(value) == stops_at) break;
  }
  return value;
}

Value Interpreter::evaluate_compare(const Expression& expression, const ScopePtr& scope) {
  Value left = evaluate(*expression.operands[0], scope);
  for (std::size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = evaluate(*expression.operands[i + 1], scope);
    position_ = expression.at;
    if (!compare(expression.operators[i], left, right, budget_)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::evaluate_concatenate(const Expression& expression, const ScopePtr& scope) {
  Builder out(budget_);
  for (const Value& part : evaluate_all(expression.operands, scope)) out += text(part)->bytes;
  return Value::made(out);
}

Value Interpreter::evaluate_chain(const Expression& expression, const ScopePtr& scope) {
  Value value = evaluate(*expression.operands[0], scope);
  for (const Link& link : expression.links) value = follow(value, link, scope);
  return value;
}

Value Interpreter::follow(const Value& value, const Link& link, const ScopePtr& scope) {
  budget_.spend(1);
  if (link.kind == LinkKind::attribute) {
    position_ = link.at;
    return attribute(value, link.name);
  }
  if (link.kind == LinkKind::slice) return evaluate_slice(value, link, scope);
  if (link.kind == LinkKind::item) {
    const Value key = evaluate(*link.arguments.positional[0], scope);
    position_ = link.at;
    return item(value, key);
  }
  const Arguments arguments = evaluate(link.arguments, scope);
  position_ = link.at;
  if (link.kind == LinkKind::call) return call(value, arguments);
  if (link.kind == LinkKind::filter) return apply_filter(link.name, value, arguments);
  return Value(apply_test(link.name, value, arguments) != link.is_negated);
}

Value Interpreter::evaluate_slice(const Value& value, const Link& link, const ScopePtr& scope) {
  Items parts(budget_);
  for (const ExpressionPtr& part : link.arguments.positional)
    parts.push_back(part == nullptr ? Value(nullptr) : evaluate(*part, scope));
  position_ = link.at;
  return slice(value, parts[0], parts[1], parts[2], budget_);
}

Arguments Interpreter::evaluate(const CallArguments& arguments, const ScopePtr& scope) {
  Arguments values(budget_);
  values.positional = evaluate_all(arguments.positional, scope);
  for (const auto& [name, expression] : arguments.named)
    values.add(name, evaluate(*expression, scope), budget_);
  if (arguments.all_positional != nullptr)
    values.positional.append(items(evaluate(*arguments.all_positional, scope)));
  if (arguments.all_named != nullptr) {
    const Value all = evaluate(*arguments.all_named, scope);
    if (all.dict() == nullptr) fail("expected a dict after **, got " + kind_name(all));
    for (const auto& [key, value] : all.dict()->entries()) {
      if (key.text() == nullptr) fail("the name of an argument must be a string");
      values.add(key.text()->bytes, value, budget_);
    }
  }
  return values;
}

Value Interpreter::attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) fail_undefined(value);
  budget_.spend_bytes(name.size());
  if (const auto own = own_attribute(*this, value, name)) return *own;
  if (find_method(value, name) != nullptr) {
    return Value::function({name, nullptr, {}, std::make_shared<const Value>(value)}, budget_);
  }
  if (const Dict* dict = value.dict()) {
    if (const Value* found = dict->member(name)) return *found;
  }
  return Value::undefined("attribute " + quote(name) + " of " + kind_name(value), budget_);
}

Value Interpreter::item(const Value& value, const Value& key) {
  budget_.spend(1);
  if (value.is_undefined()) fail_undefined(value);
  if (const Dict* dict = value.dict()) {
    const bool is_key = key.sequence() == nullptr || key.sequence()->kind == SequenceKind::tuple;
    const Value* found = is_key && key.dict() == nullptr ? dict->find(key, budget_) : nullptr;
    if (found != nullptr) return *found;
  }
  const Sequence* sequence = value.sequence();
  const auto index = integer_of(key);
  if (index &&
      (value.text() != nullptr || (sequence != nullptr && sequence->kind != SequenceKind::view))) {
    if (value.text() != nullptr) budget_.spend_bytes(value.text()->bytes.size());
    const auto size = static_cast<std::int64_t>(*length_of(value));
    const std::int64_t at = *index < 0 ? *index + size : *index;
    if (at < 0 || at >= size)
      return Value::undefined("item " + std::to_string(*index) + " of " + kind_name(value) +
                                  " of " + std::to_string(size),
                              budget_);
    if (sequence != nullptr) return sequence->items[static_cast<std::size_t>(at)];
    return slice(value, Value(at), Value(at + 1), Value(nullptr), budget_);
  }
  if (const Text* name = key.text()) return attribute(value, name->bytes);
  return Value::undefined("an item of " + kind_name(value), budget_);
}

Value Interpreter::call(const Value& value, const Arguments& arguments) {
  const Level level(*this);
  budget_.spend(1);
  if (value.is_undefined()) fail_undefined(value);
  if (Counter* counter = value.counter(); counter != nullptr && counter->items.empty())
    return counter->position++ == 0 ? Value::given({}) : counter->separator;
  const Function* function = value.function();
  if (function == nullptr) fail("cannot call " + kind_name(value));
  if (function->macro != nullptr) return call_macro(*function, arguments);
  if (function->receiver != nullptr)
    return find_method(*function->receiver, function->name)(*this, *function->receiver, arguments);
  return find_builtin(functions, function->name)(*this, arguments);
}

namespace {

template <typename Call>
[[noreturn]] void fail_unknown(const char* what, const std::string& name,
                               std::initializer_list<const std::vector<Builtin<Call>>*> tables) {
  std::vector<std::string_view> names;
  for (const auto* table : tables) {
    for (const auto& builtin : *table) names.push_back(builtin.name);
  }
  const std::string_view nearest = nearest_name(name, names.data(), names.size());
  throw Failure{ErrorCode::unsupported,
                "the " + std::string(what) + " " + quote(name) + " is not known" +
                    (nearest.empty() ? "" : "; did you mean " + quote(nearest) + "?")};
}

}  // namespace

Value Interpreter::apply_filter(const std::string& name, const Value& value,
                                const Arguments& arguments) {
  const Level level(*this);
  budget_.spend(1);
  for (const auto* table : {&text_filters, &sequence_filters, &value_filters}) {
    if (const Filter filter = find_builtin(*table, name)) return filter(*this, value, arguments);
  }
  fail_unknown<Filter>("filter", name, {&text_filters, &sequence_filters, &value_filters});
}

bool Interpreter::apply_test(const std::string& name, const Value& value,
                             const Arguments& arguments) {
  const Level level(*this);
  budget_.spend(1);
  if (const Test test = find_builtin(tests, name)) return test(*this, value, arguments);
  fail_unknown<Test>("test", name, {&tests});
}

}  // namespace llm::detail::jinja
