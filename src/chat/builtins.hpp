// The filters, tests, methods and functions that templates find, and how they take arguments.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/interpreter.hpp"

namespace llm::detail::jinja {

using Filter = Value (*)(Interpreter&, const Value&, const Arguments&);
using Test = bool (*)(Interpreter&, const Value&, const Arguments&);
using GlobalFunction = Value (*)(Interpreter&, const Arguments&);

template <typename Call>
struct Builtin {
  std::string_view name;
  Call call;
};

// Each table is a source of its own.
extern const std::vector<Builtin<Filter>> text_filters, sequence_filters, value_filters;
extern const std::vector<Builtin<Test>> tests;
extern const std::vector<Builtin<Filter>> text_methods, dict_methods, sequence_methods,
    tuple_methods, loop_methods, cycler_methods;
extern const std::vector<Builtin<GlobalFunction>> functions;

template <typename Call>
Call find_builtin(const std::vector<Builtin<Call>>& table, std::string_view name) {
  for (const Builtin<Call>& builtin : table) {
    if (builtin.name == name) return builtin.call;
  }
  return nullptr;
}

// The method of that name that the value has, or nullptr.
Filter find_method(const Value& value, std::string_view name);
// How the attribute of a macro, loop or namespace is read.
std::optional<Value> own_attribute(Interpreter& in, const Value& value, std::string_view name);

// Puts what a call is given into the order of `names`; absent where it is not given. Throws Failure
// for too many, unknown and repeated arguments and when fewer than `required` are given.
std::vector<std::optional<Value>> bind(std::string_view what, const Arguments& arguments,
                                       std::initializer_list<std::string_view> names,
                                       std::size_t required = 0);

// Arguments of a certain kind; throw Failure that names `what` takes them.
std::int64_t to_integer(const Value& value, std::string_view what);
const std::string& to_string_argument(const Value& value, std::string_view what);
bool flag(const std::optional<Value>& value, bool otherwise);

}  // namespace llm::detail::jinja
