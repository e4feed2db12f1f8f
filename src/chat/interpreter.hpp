// Runs a syntax tree. One interpreter renders once; filters, tests, methods and functions get it to
// spend its budget and to call back.
#pragma once

#include <atomic>
#include <ctime>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/syntax.hpp"
#include "chat/text.hpp"
#include "chat/value.hpp"

namespace llm::detail::jinja {

// Variables of one block; looks up to the blocks around it.
struct Scope {
  std::shared_ptr<Scope> parent;
  Variables variables;
  Hold hold;

  const Value* find(std::string_view name, Budget& budget) const;
};
using ScopePtr = std::shared_ptr<Scope>;

// What a call is given.
struct Arguments {
  explicit Arguments(Budget& budget) : positional(budget) {}
  void add(std::string name, Value value, Budget& budget);

  Items positional;
  std::vector<std::pair<std::string, Value>> named;
  Hold hold;  // of `named`
};

class Interpreter {
 public:
  // `now` is what strftime_now writes; `interrupt` ends the work when it is set.
  explicit Interpreter(const std::tm& now, const std::atomic<bool>* interrupt = nullptr,
                       const Limits& limits = {})
      : now_(now), budget_(interrupt, limits) {}
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Throws Failure; position() then says where.
  std::string render(const Body& body, Variables::Map variables);
  Position position() const { return position_; }

  Budget& budget() { return budget_; }
  const std::tm& now() const { return now_; }

  // For filters, tests, methods and functions.
  Value call(const Value& function, const Arguments& arguments);
  Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments);
  bool apply_test(const std::string& name, const Value& value, const Arguments& arguments);
  Value attribute(const Value& value, const std::string& name);
  Value item(const Value& value, const Value& key);
  Items items(const Value& value) { return items_of(value, budget_); }
  std::shared_ptr<const Text> text(const Value& value) { return text_of(value, budget_); }
  bool equals(const Value& a, const Value& b) { return equal(a, b, budget_); }
  Namespace* make_namespace();
  Counter* make_counter();
  // The loop may hold itself from now on.
  void keep(const Value& loop);

 private:
  enum class Flow { on, leave, again };  // after a statement: go on, break, continue
  class Level;

  // Statements (interpreter.cpp).
  Flow run(const Body& body, const ScopePtr& scope);
  Flow run(const Statement& statement, const ScopePtr& scope);
  Flow run_if(const Statement& statement, const ScopePtr& scope);
  Flow run_for(const Statement& statement, const ScopePtr& scope);
  Items selected_items(const Statement& statement, const ScopePtr& scope);
  void run_set(const Statement& statement, const ScopePtr& scope);
  void run_set_block(const Statement& statement, const ScopePtr& scope);
  void run_call_block(const Statement& statement, const ScopePtr& scope);
  void run_filter(const Statement& statement, const ScopePtr& scope);
  void run_with(const Statement& statement, const ScopePtr& scope);
  void assign(const Target& target, const Value& value, const ScopePtr& scope);
  void write(const Value& value);
  // What the body writes, with variables of its own.
  Value capture(const Body& body, const ScopePtr& scope);
  Value filtered(const Expression& filters, Value text, const ScopePtr& scope);
  ScopePtr inner(const ScopePtr& scope);
  void forget(const std::shared_ptr<Loop>& loop);
  Value make_macro(const Statement& statement, const ScopePtr& scope);
  Value call_macro(const Function& function, const Arguments& arguments);
  void bind_macro(const Statement& macro, const Arguments& arguments, const ScopePtr& scope);
  void bind_defaults(const Statement& macro, const ScopePtr& scope);

  // Expressions (expressions.cpp).
  Value evaluate(const Expression& expression, const ScopePtr& scope);
  Value evaluate_name(const Expression& expression, const Scope& scope);
  Value evaluate_dict(const Expression& expression, const ScopePtr& scope);
  Value evaluate_logic(const Expression& expression, const ScopePtr& scope);
  Value evaluate_compare(const Expression& expression, const ScopePtr& scope);
  Value evaluate_concatenate(const Expression& expression, const ScopePtr& scope);
  Value evaluate_chain(const Expression& expression, const ScopePtr& scope);
  Value follow(const Value& value, const Link& link, const ScopePtr& scope);
  Value evaluate_slice(const Value& value, const Link& link, const ScopePtr& scope);
  Items evaluate_all(const std::vector<ExpressionPtr>& list, const ScopePtr& scope);
  Arguments evaluate(const CallArguments& arguments, const ScopePtr& scope);

  std::tm now_;
  Budget budget_;
  Position position_;
  int depth_ = 0;
  Builder* out_ = nullptr;
  std::list<Namespace> namespaces_;
  std::list<Counter> counters_;
  std::vector<ScopePtr> kept_;                     // the scopes that macros were defined in
  std::vector<std::shared_ptr<Loop>> kept_loops_;  // that may hold themselves
};

// Operators (operators.cpp); throw Failure for kinds they do not go with.
Value arithmetic(Operator op, const Value& a, const Value& b, Budget& budget);
Value negative(const Value& value);
bool compare(Operator op, const Value& a, const Value& b, Budget& budget);
// "%s: %d" % values.
Value format_percent(std::string_view format, const Value& values, Budget& budget);
// "{} {0} {name}".format(...).
Value format_braces(std::string_view format, const Arguments& arguments, Interpreter& in);
// value[start:stop:step]; none for what is left out.
Value slice(const Value& value, const Value& start, const Value& stop, const Value& step,
            Budget& budget);

}  // namespace llm::detail::jinja
