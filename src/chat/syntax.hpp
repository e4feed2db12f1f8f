// The syntax tree of a template. Chains that lean to the left (a + b + c, a.b.c|d) are kept flat,
// so that the tree is only as deep as the template's brackets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "chat/lexer.hpp"
#include "chat/value.hpp"

namespace llm::detail::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

// What stands in the brackets of a call: f(a, b, c=d, *e, **f).
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr all_positional, all_named;  // may be null
};

enum class LinkKind { attribute, item, slice, call, filter, test };
struct Link {
  LinkKind kind;
  Position at;
  std::string name;         // of the attribute, filter or test
  bool is_negated = false;  // is not
  // Of calls, filters and tests. An item has one positional, a slice three that may be null.
  CallArguments arguments;
};

enum class ExpressionKind {
  constant,
  name,
  list,
  tuple,
  dict,         // operands: key, value, key, value ...
  conditional,  // operands: value, condition, otherwise (may be null)
  minus,
  plus,
  logical_not,
  all_of,  // and
  any_of,  // or
  compare,
  arithmetic,
  concatenate,  // ~
  chain         // operand and links
};

enum class Operator {
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  not_in
};

struct Expression {
  ExpressionKind kind;
  Position at;
  Value constant;
  std::string name;
  std::vector<ExpressionPtr> operands;
  std::vector<Operator> operators;  // between the operands
  std::vector<Link> links;
};

// Where an assignment goes: a name, an attribute of a namespace or several of them.
struct Target {
  std::string name;
  std::optional<std::string> attribute;
  std::vector<Target> items;  // of a tuple; `name` is then empty
};

struct Statement;
using Body = std::vector<Statement>;

enum class StatementKind {
  text,
  output,
  if_else,     // values: conditions; bodies: one for each and maybe one for else
  for_each,    // values: what to go through, condition (may be null); bodies: loop, else
  set,         // values: one
  set_block,   // bodies: one; values: the filters on input_name (may be empty)
  macro,       // parameters; bodies: one
  call_block,  // values: the call; parameters; bodies: one
  filter,      // values: the filters on input_name; bodies: one
  with,        // targets, values; bodies: one
  scope,       // bodies: one, with variables of its own
  break_loop,
  continue_loop
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // default, may be null
};

struct Statement {
  StatementKind kind;
  Position at;
  std::string name;  // of the macro; of text: the text
  std::vector<ExpressionPtr> values;
  std::vector<Target> targets;
  std::vector<Parameter> parameters;
  std::vector<Body> bodies;
  // Whether a macro speaks of varargs, kwargs and caller: only then it takes them.
  bool takes_more = false, takes_others = false, takes_caller = false;
};

// The name that the filters of {% filter %} and {% set %} blocks find their text under; no template
// can write it.
inline constexpr const char* input_name = " input";

}  // namespace llm::detail::jinja
