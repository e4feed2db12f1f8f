// Statements.
#include "chat/interpreter.hpp"

#include <algorithm>
#include <utility>

#include "chat/level.hpp"

namespace llm::detail::jinja {

namespace {
ScopePtr inner(const ScopePtr& scope) { return std::make_shared<Scope>(Scope{scope, {}}); }
}  // namespace

std::string Interpreter::render(const Body& body,
                                std::map<std::string, Value, std::less<>> variables) {
  const auto given = std::make_shared<Scope>(Scope{nullptr, std::move(variables)});
  Builder out(budget_);
  out_ = &out;
  run(body, inner(given));
  return out.take();
}

Interpreter::Flow Interpreter::run(const Body& body, const ScopePtr& scope) {
  const Level level(*this);
  for (const Statement& statement : body) {
    const Flow flow = run(statement, scope);
    if (flow != Flow::on) return flow;
  }
  return Flow::on;
}

Interpreter::Flow Interpreter::run(const Statement& statement, const ScopePtr& scope) {
  budget_.spend(1);
  position_ = statement.at;
  switch (statement.kind) {
    case StatementKind::text:
      *out_ += statement.name;
      break;
    case StatementKind::output:
      write(evaluate(*statement.values[0], scope));
      break;
    case StatementKind::if_else:
      return run_if(statement, scope);
    case StatementKind::for_each:
      return run_for(statement, scope);
    case StatementKind::set:
      run_set(statement, scope);
      break;
    case StatementKind::set_block:
      run_set_block(statement, scope);
      break;
    case StatementKind::macro:
      scope->variables[statement.name] = make_macro(statement, scope);
      break;
    case StatementKind::call_block:
      run_call_block(statement, scope);
      break;
    case StatementKind::filter:
      run_filter(statement, scope);
      break;
    case StatementKind::with:
      run_with(statement, scope);
      break;
    case StatementKind::scope:
      return run(statement.bodies[0], inner(scope));
    case StatementKind::break_loop:
      return Flow::leave;
    case StatementKind::continue_loop:
      return Flow::again;
  }
  return Flow::on;
}

void Interpreter::write(const Value& value) {
  if (const Text* text = value.text()) {
    *out_ += text->bytes;
  } else {
    *out_ += this->text(value);
  }
}

Interpreter::Flow Interpreter::run_if(const Statement& statement, const ScopePtr& scope) {
  for (std::size_t i = 0; i < statement.values.size(); ++i) {
    if (is_true(evaluate(*statement.values[i], scope))) return run(statement.bodies[i], scope);
  }
  if (statement.bodies.size() > statement.values.size()) return run(statement.bodies.back(), scope);
  return Flow::on;
}

std::vector<Value> Interpreter::selected_items(const Statement& statement, const ScopePtr& scope) {
  std::vector<Value> all = items(evaluate(*statement.values[0], scope));
  if (statement.values[1] == nullptr) return all;
  std::vector<Value> selected;
  for (Value& item : all) {
    const ScopePtr own = inner(scope);
    assign(statement.targets[0], item, own);
    if (is_true(evaluate(*statement.values[1], own))) selected.push_back(std::move(item));
  }
  return selected;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, const ScopePtr& scope) {
  const auto loop = std::make_shared<Loop>();
  loop->items = selected_items(statement, scope);
  loop->level = loop_level_;
  for (const Value& item : loop->items) loop->depth = std::max(loop->depth, depth_of(item) + 1);
  if (loop->depth > max_value_depth) fail("loops over loops are nested too deeply");
  // As in the reference, an iteration that is left early does not count for the else.
  bool is_empty = true;
  ++loop_level_;
  for (; loop->index < loop->items.size(); ++loop->index) {
    budget_.spend(1);
    const ScopePtr own = inner(scope);
    own->variables.emplace("loop", Value(loop));
    assign(statement.targets[0], loop->items[loop->index], own);
    const Flow flow = run(statement.bodies[0], own);
    if (flow == Flow::leave) break;
    if (flow == Flow::on) is_empty = false;
  }
  --loop_level_;
  return is_empty ? run(statement.bodies[1], scope) : Flow::on;
}

void Interpreter::assign(const Target& target, const Value& value, const ScopePtr& scope) {
  if (target.attribute) {
    const Value* holder = scope->find(target.name);
    Namespace* attributes = holder == nullptr ? nullptr : holder->as_namespace();
    if (attributes == nullptr)
      fail("cannot set " + target.name + "." + *target.attribute + ": " + target.name +
           " is not a namespace");
    if (target.attribute->starts_with('_'))
      fail("an attribute of a namespace cannot begin with an underscore");
    attributes->attributes[*target.attribute] = value;
    return;
  }
  if (target.items.empty()) {
    scope->variables[target.name] = value;
    return;
  }
  if (value.is_undefined()) fail_undefined(value);
  const std::vector<Value> parts = items(value);
  if (parts.size() != target.items.size())
    fail("cannot give " + std::to_string(parts.size()) + " values to " +
         std::to_string(target.items.size()) + " names");
  for (std::size_t i = 0; i < parts.size(); ++i) assign(target.items[i], parts[i], scope);
}

void Interpreter::run_set(const Statement& statement, const ScopePtr& scope) {
  const Value value = evaluate(*statement.values[0], scope);
  position_ = statement.at;
  assign(statement.targets[0], value, scope);
}

std::string Interpreter::capture(const Body& body, const ScopePtr& scope) {
  Builder out(budget_);
  Builder* const outer = std::exchange(out_, &out);
  run(body, inner(scope));
  out_ = outer;
  return out.take();
}

Value Interpreter::filtered(const Expression& filters, std::string text, const ScopePtr& scope) {
  const ScopePtr own = inner(scope);
  own->variables[input_name] = Value(std::move(text));
  return evaluate(filters, own);
}

void Interpreter::run_set_block(const Statement& statement, const ScopePtr& scope) {
  std::string text = capture(statement.bodies[0], scope);
  const Value value = statement.values.empty()
                          ? Value(std::move(text))
                          : filtered(*statement.values[0], std::move(text), scope);
  assign(statement.targets[0], value, scope);
}

void Interpreter::run_filter(const Statement& statement, const ScopePtr& scope) {
  write(filtered(*statement.values[0], capture(statement.bodies[0], scope), scope));
}

void Interpreter::run_with(const Statement& statement, const ScopePtr& scope) {
  const ScopePtr own = inner(scope);
  for (std::size_t i = 0; i < statement.targets.size(); ++i)
    assign(statement.targets[i], evaluate(*statement.values[i], scope), own);
  run(statement.bodies[0], own);
}

Value Interpreter::make_macro(const Statement& statement, const ScopePtr& scope) {
  kept_.push_back(scope);
  return Value::function({statement.name, &statement, scope, nullptr, 1});
}

// The body becomes the macro `caller` of the call.
void Interpreter::run_call_block(const Statement& statement, const ScopePtr& scope) {
  const Expression& call_expression = *statement.values[0];
  Value function = evaluate(*call_expression.operands[0], scope);
  for (std::size_t i = 0; i + 1 < call_expression.links.size(); ++i)
    function = follow(function, call_expression.links[i], scope);
  Arguments arguments = evaluate(call_expression.links.back().arguments, scope);
  arguments.named.emplace_back("caller", make_macro(statement, scope));
  write(call(function, arguments));
}

Value Interpreter::call_macro(const Function& function, const Arguments& arguments) {
  const Level level(*this);
  const ScopePtr own = inner(function.scope.lock());
  bind_macro(*function.macro, arguments, own);
  return Value(capture(function.macro->bodies[0], own));
}

void Interpreter::bind_macro(const Statement& macro, const Arguments& arguments,
                             const ScopePtr& scope) {
  const auto& parameters = macro.parameters;
  std::vector<Value> more;
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < parameters.size()) {
      scope->variables[parameters[i].name] = arguments.positional[i];
    } else {
      more.push_back(arguments.positional[i]);
    }
  }
  if (!more.empty() && !macro.takes_more)
    fail("the macro " + quote(macro.name) + " takes " + std::to_string(parameters.size()) +
         " arguments, got " + std::to_string(arguments.positional.size()));
  Dict others;
  for (const auto& [name, value] : arguments.named) {
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&name = name](const Parameter& p) { return p.name == name; });
    if (known && scope->variables.contains(name))
      fail("the macro " + quote(macro.name) + " is given " + quote(name) + " twice");
    const bool is_caller = name == "caller" && macro.takes_caller;
    if (!known && !is_caller && !macro.takes_others)
      fail("the macro " + quote(macro.name) + " has no parameter " + quote(name));
    if (known || is_caller) {
      scope->variables[name] = value;
    } else {
      others.set(Value(name), value);
    }
  }
  for (const Parameter& parameter : parameters) {
    if (scope->variables.contains(parameter.name)) continue;
    scope->variables[parameter.name] = parameter.otherwise != nullptr
                                           ? evaluate(*parameter.otherwise, scope)
                                           : Value::undefined("parameter " + quote(parameter.name) +
                                                              " of the macro " + quote(macro.name));
  }
  scope->variables.emplace("varargs", Value::sequence(SequenceKind::tuple, std::move(more)));
  scope->variables.emplace("kwargs", Value::dict(std::move(others)));
}

}  // namespace llm::detail::jinja
