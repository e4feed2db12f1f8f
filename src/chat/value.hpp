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
#include <utility>
#include <variant>
#include <vector>

#include "chat/budget.hpp"

namespace llm::detail::jinja {

struct Statement;
struct Scope;
enum class SequenceKind { list, tuple, range, view };
struct Text;
struct Sequence;
struct ItemGenerator;
struct Namespace;
struct Loop;
struct Counter;
struct Function;
class Dict;
class Items;

// A name, attribute or item that is not there; `what` describes it in errors (may be null).
struct Undefined {
  std::shared_ptr<const Text> what;
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
  explicit Value(std::shared_ptr<const Text> text) : data(std::move(text)) {}
  Value(const char*) = delete;  // would be a bool
  // A text that the template is given or holds itself.
  static Value given(std::string text);
  // A text that the template makes.
  static Value made(std::string text, Budget& budget, bool is_markup = false);
  static Value made(Builder& text, bool is_markup = false) {
    return made(text.take(), text.budget(), is_markup);
  }
  static Value undefined(std::string what, Budget& budget);
  // These throw Failure when values are nested too deeply.
  static Value sequence(SequenceKind kind, Items items, std::string label = {});
  static Value list(Items items);
  static Value pair(Value first, Value second, Budget& budget);
  static Value generator(Items items);
  static Value dict(Dict dict);
  static Value function(Function function, Budget& budget);

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

struct Text {
  std::string bytes;       // valid UTF-8
  bool is_markup = false;  // passed through `safe` or `escape`: adding to it escapes HTML
  Hold hold = {};
};

// Values in a row, as a vector; those that a template makes cannot outgrow the budget. Each one
// added is a step.
class Items {
 public:
  Items() = default;  // without a budget: for what the template is given
  explicit Items(Budget& budget);

  void push_back(Value value);
  void append(const Items& others);
  void reserve(std::size_t count);
  void reverse();
  std::size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const Value& operator[](std::size_t at) const { return items_[at]; }
  const Value* begin() const { return items_.data(); }
  const Value* end() const { return items_.data() + items_.size(); }

 private:
  Budget* budget_ = nullptr;
  std::vector<Value> items_;
  Hold hold_;
};

struct Sequence {
  SequenceKind kind = SequenceKind::list;
  Items items;
  std::string label;  // of ranges and views: how they print
  int depth = 1;
};

// What a lazy filter returns: it can be gone through once.
struct ItemGenerator {
  Items items;
  std::size_t next = 0;
  int depth = 1;
};

// Keeps the order in which keys were added, as Python does.
class Dict {
 public:
  Dict() = default;  // without a budget: for what the template is given
  explicit Dict(Budget& budget) : budget_(&budget) {}

  // Throws Failure when the key cannot be one (a list, a dict).
  void set(const Value& key, Value value);
  const Value* find(const Value& key, Budget& budget) const;  // throws Failure as set() does
  const Value* member(std::string_view name) const;
  const std::vector<std::pair<Value, Value>>& entries() const { return entries_; }
  int depth() const { return depth_; }

 private:
  Budget* budget_ = nullptr;
  std::vector<std::pair<Value, Value>> entries_;
  std::map<std::string, std::size_t> places_;  // whoever chooses the keys cannot make it slow
  Hold hold_;
  int depth_ = 1;
};

// Variables by name, with what they take.
class Variables {
 public:
  using Map = std::map<std::string, Value, std::less<>>;

  Variables() = default;
  explicit Variables(Map given) : values_(std::move(given)) {}

  void set(std::string_view name, Value value, Budget& budget);
  const Value* find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }

 private:
  Map values_;
  Hold hold_;
};

// `namespace(...)`: the one thing that assignments may change. Owned by the interpreter, because
// namespaces may hold each other.
struct Namespace {
  Hold hold;
  Variables attributes;
};

// `loop` inside of a for. What `changed` was told may hold the loop itself: the interpreter keeps
// such loops and takes it from them.
struct Loop {
  Items items;
  Hold hold;
  std::size_t index = 0;
  Items last_changed = {};
  bool is_kept = false;
  int depth = 1;
};

// `cycler(...)` and `joiner(...)`. Owned by the interpreter.
struct Counter {
  Hold hold;
  Items items = {};  // empty for a joiner
  Value separator;
  std::size_t position = 0;
};

// Something to call: a macro, a method bound to its value or a function of the environment.
struct Function {
  std::string name;
  const Statement* macro = nullptr;
  std::weak_ptr<Scope> scope = {};  // where the macro was defined; the interpreter keeps it
  std::shared_ptr<const Value> receiver = nullptr;  // of methods
  int depth = 1;
  Hold hold = {};
};

// Levels of containers that destroying the value goes through.
int depth_of(const Value& value);
// "a list", "a string": for errors.
std::string kind_name(const Value& value);
[[noreturn]] void fail_undefined(const Value& value);
// Throws Error (invalid_input) about what the caller gave: "messages.json: the list is empty".
[[noreturn]] void refuse_input(const std::string& where, const std::string& what);

// str(): the text itself, or what {{ }} writes of another value.
std::shared_ptr<const Text> text_of(const Value& value, Budget& budget);

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
Items items_of(const Value& value, Budget& budget);
// Python's len(); nullopt for what has none.
std::optional<std::size_t> length_of(const Value& value);

}  // namespace llm::detail::jinja
