// The values a template computes with: Python's, as far as chat templates see them. Containers
// never change once made (the reference runs templates in an immutable sandbox), so they are
// shared. Stands below the interpreter and everything it calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "chat/budget.hpp"

namespace llm::detail::jinja {

struct Value;
struct Statement;
struct Scope;

// A name, attribute or item that is not there; `what` describes it in errors.
struct Undefined {
  std::string what;
};

struct Text {
  std::string bytes;       // valid UTF-8
  bool is_markup = false;  // passed through `safe` or `escape`: adding to it escapes HTML
};

enum class SequenceKind { list, tuple, range, view };
struct Sequence {
  SequenceKind kind = SequenceKind::list;
  std::vector<Value> items;
  std::string label;  // of ranges and views: how they print
  int depth = 1;
};

// What a lazy filter returns: it can be gone through once.
struct ItemGenerator {
  std::vector<Value> items;
  std::size_t next = 0;
  int depth = 1;
};

// Keeps the order in which keys were added, as Python does.
class Dict {
 public:
  // Throws Failure when the key cannot be one (a list, a dict).
  void set(const Value& key, Value value);
  const Value* find(const Value& key) const;  // throws Failure as set() does
  const Value* member(std::string_view name) const;
  const std::vector<std::pair<Value, Value>>& entries() const { return entries_; }
  int depth() const { return depth_; }

 private:
  std::vector<std::pair<Value, Value>> entries_;
  std::unordered_map<std::string, std::size_t> places_;
  int depth_ = 1;
};

// `namespace(...)`: the one thing that assignments may change. Owned by the interpreter, because
// namespaces may hold each other.
struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
};

// `loop` inside of a for.
struct Loop {
  std::vector<Value> items;
  std::size_t index = 0;
  int level = 0;
  std::vector<Value> last_changed;
  int depth = 1;
};

// `cycler(...)` and `joiner(...)`. Owned by the interpreter.
struct Counter {
  std::vector<Value> items;  // empty for a joiner
  std::string separator;
  std::size_t position = 0;
};

// Something to call: a macro, a method bound to its value or a function of the environment.
struct Function {
  std::string name;
  const Statement* macro = nullptr;
  std::weak_ptr<Scope> scope;             // where the macro was defined; the interpreter keeps it
  std::shared_ptr<const Value> receiver;  // of methods
  int depth = 1;
};

struct Value {
  using Data = std::variant<Undefined, std::nullptr_t, bool, std::int64_t, double,
                            std::shared_ptr<const Text>, std::shared_ptr<const Sequence>,
                            std::shared_ptr<const Dict>, std::shared_ptr<ItemGenerator>, Namespace*,
                            std::shared_ptr<Loop>, Counter*, std::shared_ptr<const Function>>;
  Data data;

  Value() = default;
  Value(std::nullptr_t) : data(nullptr) {}
  Value(bool value) : data(value) {}
  Value(std::int64_t value) : data(value) {}
  Value(double value) : data(value) {}
  Value(Namespace* value) : data(value) {}
  Value(Counter* value) : data(value) {}
  Value(std::shared_ptr<Loop> value) : data(std::move(value)) {}
  Value(std::string text, bool is_markup = false)
      : data(std::make_shared<const Text>(Text{std::move(text), is_markup})) {}
  Value(const char*) = delete;  // would be a bool
  static Value undefined(std::string what) { return from(Undefined{std::move(what)}); }
  // These throw Failure when values are nested too deeply.
  static Value sequence(SequenceKind kind, std::vector<Value> items, std::string label = {});
  static Value list(std::vector<Value> items) {
    return sequence(SequenceKind::list, std::move(items));
  }
  static Value pair(Value first, Value second) {
    return sequence(SequenceKind::tuple, {std::move(first), std::move(second)});
  }
  static Value generator(std::vector<Value> items);
  static Value dict(Dict dict);
  static Value function(Function function);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data); }
  bool is_none() const { return std::holds_alternative<std::nullptr_t>(data); }
  bool is_bool() const { return std::holds_alternative<bool>(data); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(data); }  // not a bool
  bool is_float() const { return std::holds_alternative<double>(data); }
  bool is_number() const { return is_bool() || is_integer() || is_float(); }
  const Text* text() const { return get<const Text>(); }
  const Sequence* sequence() const { return get<const Sequence>(); }
  const Dict* dict() const { return get<const Dict>(); }
  ItemGenerator* generator() const { return get<ItemGenerator>(); }
  Loop* loop() const { return get<Loop>(); }
  const Function* function() const { return get<const Function>(); }
  Namespace* as_namespace() const { return pointer<Namespace>(); }
  Counter* counter() const { return pointer<Counter>(); }

 private:
  static Value from(Data data) {
    Value value;
    value.data = std::move(data);
    return value;
  }
  template <typename T>
  T* get() const {
    const auto* found = std::get_if<std::shared_ptr<T>>(&data);
    return found == nullptr ? nullptr : found->get();
  }
  template <typename T>
  T* pointer() const {
    T* const* found = std::get_if<T*>(&data);
    return found == nullptr ? nullptr : *found;
  }
};

// Levels of containers that destroying the value goes through.
int depth_of(const Value& value);
// "a list", "a string": for errors.
std::string kind_name(const Value& value);
[[noreturn]] void fail_undefined(const Value& value);
// Throws Error (invalid_input) about what the caller gave: "messages.json: the list is empty".
[[noreturn]] void refuse_input(const std::string& where, const std::string& what);

bool is_true(const Value& value);
// A bool counts as 0 or 1; nullopt for floats and all else.
std::optional<std::int64_t> integer_of(const Value& value);
std::optional<double> number_of(const Value& value);

// Python's == and <; less_than throws Failure for kinds that have no order.
bool equal(const Value& a, const Value& b, Budget& budget);
bool less_than(const Value& a, const Value& b, Budget& budget);
// `item in container`.
bool contains(const Value& container, const Value& item, Budget& budget);

// The items that a for would visit: of a list, the keys of a dict, the characters of a text, what
// is left of a generator (which is then used up). Throws Failure for what cannot be visited.
std::vector<Value> items_of(const Value& value, Budget& budget);
// Python's len(); nullopt for what has none.
std::optional<std::size_t> length_of(const Value& value);

}  // namespace llm::detail::jinja
