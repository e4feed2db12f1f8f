// Statements.
#include "chat/interpreter.hpp"

#include <algorithm>
#include <utility>

#include "chat/level.hpp"

namespace llm::detail::jinja {

const Value* Scope::find(std::string_view name, Budget& budget) const {
  std::size_t looked_at = 0;
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get(), ++looked_at) {
    const Value* found = scope->variables.find(name);
    if (found == nullptr) continue;
    budget.spend(looked_at / 4);
    return found;
  }
  budget.spend(looked_at / 4);
  return nullptr;
}

void Arguments::add(std::string name, Value value, Budget& budget) {
  budget.spend(1);
  hold.grow(budget, 3 * sizeof(named[0]) + name.capacity());
  named.emplace_back(std::move(name), std::move(value));
}

// What such loops hold goes while they are all still there, or else one could take the next with
// it, and so on, deeper than the stack is.
Interpreter::~Interpreter() {
  for (const std::shared_ptr<Loop>& loop : kept_loops_) loop->last_changed = Items();
}

std::string Interpreter::render(const Body& body, Variables::Map variables) {
  const auto given = std::make_shared<Scope>(Scope{nullptr, Variables(std::move(variables)), {}});
  Builder out(budget_);
  out_ = &out;
  run(body, inner(given));
  return out.take();
}

ScopePtr Interpreter::inner(const ScopePtr& scope) {
  return std::make_shared<Scope>(Scope{scope, {}, Hold(budget_, 2 * sizeof(Scope))});
}

Namespace* Interpreter::make_namespace() {
  return &namespaces_.emplace_back(Namespace{Hold(budget_, 2 * sizeof(Namespace)), {}});
}

Counter* Interpreter::make_counter() {
  return &counters_.emplace_back(Counter{Hold(budget_, 2 * sizeof(Counter)), {}, {}});
}

void Interpreter::keep(const Value& loop) {
  const auto& kept = std::get<std::shared_ptr<Loop>>(loop.data);
  if (kept->is_kept) return;
  kept->hold.grow(budget_, 2 * sizeof(kept));
  kept->is_kept = true;
  kept_loops_.push_back(kept);
}

// A loop that only the interpreter still holds.
void Interpreter::forget(const std::shared_ptr<Loop>& loop) {
  if (kept_loops_.empty() || kept_loops_.back() != loop || loop.use_count() > 2) return;
  loop->last_changed = Items();
  kept_loops_.pop_back();
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
      scope->variables.set(statement.name, make_macro(statement, scope), budget_);
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

void Interpreter::write(const Value& value) { *out_ += text(value)->bytes; }

Interpreter::Flow Interpreter::run_if(const Statement& statement, const ScopePtr& scope) {
  for (std::size_t i = 0; i < statement.values.size(); ++i) {
    if (is_true(evaluate(*statement.values[i], scope))) return run(statement.bodies[i], scope);
  }
  if (statement.bodies.size() > statement.values.size()) return run(statement.bodies.back(), scope);
  return Flow::on;
}

Items Interpreter::selected_items(const Statement& statement, const ScopePtr& scope) {
  Items all = items(evaluate(*statement.values[0], scope));
  if (statement.values[1] == nullptr) return all;
  Items selected(budget_);
  for (const Value& item : all) {
    const ScopePtr own = inner(scope);
    assign(statement.targets[0], item, own);
    if (is_true(evaluate(*statement.values[1], own))) selected.push_back(item);
  }
  return selected;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, const ScopePtr& scope) {
  const auto loop = std::make_shared<Loop>(
      Loop{selected_items(statement, scope), Hold(budget_, 2 * sizeof(Loop))});
  for (const Value& item : loop->items) loop->depth = std::max(loop->depth, depth_of(item) + 1);
  if (loop->depth > max_value_depth) fail("loops over loops are nested too deeply");
  // As in the reference, an iteration that is left early does not count for the else.
  bool is_empty = true;
  for (; loop->index < loop->items.size(); ++loop->index) {
    const ScopePtr own = inner(scope);
    own->variables.set("loop", Value(loop), budget_);
    assign(statement.targets[0], loop->items[loop->index], own);
    const Flow flow = run(statement.bodies[0], own);
    if (flow == Flow::leave) break;
    if (flow == Flow::on) is_empty = false;
  }
  forget(loop);
  return is_empty ? run(statement.bodies[1], scope) : Flow::on;
}

void Interpreter::assign(const Target& target, const Value& value, const ScopePtr& scope) {
  if (target.attribute) {
    const Value* holder = scope->find(target.name, budget_);
    Namespace* attributes = holder == nullptr ? nullptr : holder->as_namespace();
    if (attributes == nullptr)
      fail("cannot set " + target.name + "." + *target.attribute + ": " + target.name +
           " is not a namespace");
    if (target.attribute->starts_with('_'))
      fail("an attribute of a namespace cannot begin with an underscore");
    attributes->attributes.set(*target.attribute, value, budget_);
    return;
  }
  if (target.items.empty()) {
    scope->variables.set(target.name, value, budget_);
    return;
  }
  if (value.is_undefined()) fail_undefined(value);
  const Items parts = items(value);
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

Value Interpreter::capture(const Body& body, const ScopePtr& scope) {
  Builder out(budget_);
  Builder* const outer = std::exchange(out_, &out);
  run(body, inner(scope));
  out_ = outer;
  return Value::made(out);
}

Value Interpreter::filtered(const Expression& filters, Value text, const ScopePtr& scope) {
  const ScopePtr own = inner(scope);
  own->variables.set(input_name, std::move(text), budget_);
  return evaluate(filters, own);
}

void Interpreter::run_set_block(const Statement& statement, const ScopePtr& scope) {
  Value text = capture(statement.bodies[0], scope);
  if (!statement.values.empty()) text = filtered(*statement.values[0], std::move(text), scope);
  assign(statement.targets[0], text, scope);
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
  scope->hold.grow(budget_, 2 * sizeof(scope));
  kept_.push_back(scope);
  return Value::function({statement.name, &statement, scope}, budget_);
}

// The body becomes the macro `caller` of the call.
void Interpreter::run_call_block(const Statement& statement, const ScopePtr& scope) {
  const Expression& call_expression = *statement.values[0];
  Value function = evaluate(*call_expression.operands[0], scope);
  for (std::size_t i = 0; i + 1 < call_expression.links.size(); ++i)
    function = follow(function, call_expression.links[i], scope);
  Arguments arguments = evaluate(call_expression.links.back().arguments, scope);
  arguments.add("caller", make_macro(statement, scope), budget_);
  write(call(function, arguments));
}

Value Interpreter::call_macro(const Function& function, const Arguments& arguments) {
  const Level level(*this);
  const ScopePtr own = inner(function.scope.lock());
  bind_macro(*function.macro, arguments, own);
  return capture(function.macro->bodies[0], own);
}

void Interpreter::bind_macro(const Statement& macro, const Arguments& arguments,
                             const ScopePtr& scope) {
  const auto& parameters = macro.parameters;
  Variables& variables = scope->variables;
  Items more(budget_);
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < parameters.size()) {
      variables.set(parameters[i].name, arguments.positional[i], budget_);
    } else {
      more.push_back(arguments.positional[i]);
    }
  }
  if (!more.empty() && !macro.takes_more)
    fail("the macro " + quote(macro.name) + " takes " + std::to_string(parameters.size()) +
         " arguments, got " + std::to_string(arguments.positional.size()));
  Dict others(budget_);
  for (const auto& [name, value] : arguments.named) {
    budget_.spend(parameters.size());
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&name = name](const Parameter& p) { return p.name == name; });
    if (known && variables.contains(name))
      fail("the macro " + quote(macro.name) + " is given " + quote(name) + " twice");
    const bool is_caller = name == "caller" && macro.takes_caller;
    if (!known && !is_caller && !macro.takes_others)
      fail("the macro " + quote(macro.name) + " has no parameter " + quote(name));
    if (known || is_caller) {
      variables.set(name, value, budget_);
    } else {
      others.set(Value::made(name, budget_), value);
    }
  }
  bind_defaults(macro, scope);
  if (!variables.contains("varargs"))
    variables.set("varargs", Value::sequence(SequenceKind::tuple, std::move(more)), budget_);
  if (!variables.contains("kwargs"))
    variables.set("kwargs", Value::dict(std::move(others)), budget_);
}

void Interpreter::bind_defaults(const Statement& macro, const ScopePtr& scope) {
  for (const Parameter& parameter : macro.parameters) {
    budget_.spend(1);
    if (scope->variables.contains(parameter.name)) continue;
    Value value = parameter.otherwise != nullptr
                      ? evaluate(*parameter.otherwise, scope)
                      : Value::undefined("parameter " + quote(parameter.name) + " of the macro " +
                                             quote(macro.name),
                                         budget_);
    scope->variables.set(parameter.name, std::move(value), budget_);
  }
}

}  // namespace llm::detail::jinja
