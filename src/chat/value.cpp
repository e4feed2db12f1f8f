// Containers, comparisons and iteration of values, as Python does them.
#include "chat/value.hpp"

#include <algorithm>
#include <cmath>
#include <compare>

#include "chat/text.hpp"

namespace llm::detail::jinja {
namespace {

// What the allocations of small objects take besides the objects.
constexpr std::size_t overhead = 48;

void check_depth(int depth) {
  if (depth > max_value_depth)
    fail("values are nested more than " + std::to_string(max_value_depth) + " levels deep");
}

int checked_depth(const Items& items) {
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, depth_of(item) + 1);
  check_depth(depth);
  return depth;
}

constexpr double integers_end = 9223372036854775808.0;  // 2^63, the first one above them

bool is_integer(double number) {
  return std::floor(number) == number && number >= -integers_end && number < integers_end;
}

std::string integer_key(double number) {
  if (is_integer(number)) return "n" + std::to_string(static_cast<std::int64_t>(number));
  return "f" + float_text(number);
}

// Views of keys and items are compared as sets.
bool is_set(const Sequence& sequence) {
  return sequence.kind == SequenceKind::view && sequence.label != "dict_values";
}

// What is equal to itself alone; null for values that are equal by what they hold.
const void* identity(const Value& value) {
  if (const Sequence* sequence = value.sequence())
    return sequence->kind == SequenceKind::view && !is_set(*sequence) ? sequence : nullptr;
  if (value.generator() != nullptr) return value.generator();
  if (value.loop() != nullptr) return value.loop();
  if (value.counter() != nullptr) return value.counter();
  if (const Function* function = value.function()) {
    const bool is_own = function->macro != nullptr || function->receiver != nullptr;
    return is_own ? function : nullptr;
  }
  return value.as_namespace();
}

bool write_other_key(const Value& value, Builder& out);

// Equal values have equal keys, and no key is the beginning of another; false for what Python
// cannot hash.
bool write_key(const Value& value, Builder& out) {
  out.budget().spend(1);
  if (const Text* text = value.text()) {
    out += "s" + std::to_string(text->bytes.size()) + ":";
    out += text->bytes;
  } else if (const auto integer = integer_of(value)) {
    out += "n" + std::to_string(*integer) + ";";
  } else if (value.is_float()) {
    out += integer_key(std::get<double>(value.data)) + ";";
  } else if (value.is_none() || value.is_undefined()) {
    out += value.is_none() ? 'z' : 'u';
  } else {
    return write_other_key(value, out);
  }
  return true;
}

bool write_other_key(const Value& value, Builder& out) {
  if (const void* own = identity(value)) {
    out += "i" + std::to_string(reinterpret_cast<std::uintptr_t>(own)) + ";";
  } else if (const Function* function = value.function()) {
    out += "c" + std::to_string(function->name.size()) + ":" + function->name;
  } else {
    const Sequence* sequence = value.sequence();
    if (sequence == nullptr || sequence->kind == SequenceKind::list ||
        sequence->kind == SequenceKind::view)
      return false;
    out += sequence->kind == SequenceKind::tuple ? "t" : "r";
    out += std::to_string(sequence->items.size()) + ":";
    for (const Value& item : sequence->items) {
      if (!write_key(item, out)) return false;
    }
  }
  return true;
}

std::string text_key(std::string_view text) {
  return ("s" + std::to_string(text.size()) + ":").append(text);
}

std::string checked_key(const Value& key, Budget& budget) {
  Builder out(budget);
  if (!write_key(key, out)) fail(kind_name(key) + " cannot be the key of a dict");
  return out.take();
}

bool equal_items(const Items& a, const Items& b, Budget& budget) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(a[i], b[i], budget)) return false;
  }
  return true;
}

// Whether all items of `a` are among those of `b`.
bool is_subset(const Items& a, const Items& b, Budget& budget) {
  return std::all_of(a.begin(), a.end(), [&](const Value& item) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Value& other) { return equal(item, other, budget); });
  });
}

bool equal_sequences(const Sequence& a, const Sequence& b, Budget& budget) {
  if (a.kind != b.kind) return false;
  if (!is_set(a)) return equal_items(a.items, b.items, budget);
  return a.items.size() == b.items.size() && is_subset(a.items, b.items, budget);
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(key, budget);
    if (other == nullptr || !equal(value, *other, budget)) return false;
  }
  return true;
}

bool equal_texts(const std::string& a, const std::string& b, Budget& budget) {
  if (a.size() != b.size()) return false;
  budget.spend_bytes(a.size());
  return a == b;
}

}  // namespace

Items::Items(Budget& budget) : budget_(&budget), hold_(budget, sizeof(Sequence) + overhead) {}

void Items::reserve(std::size_t count) {
  if (count <= items_.capacity()) return;
  if (budget_ == nullptr) return items_.reserve(count);
  const std::size_t most = budget_->limits().held_bytes;
  Hold larger(*budget_, sizeof(Sequence) + overhead + std::min(count, most) * sizeof(Value));
  items_.reserve(count);
  hold_ = std::move(larger);
}

void Items::push_back(Value value) {
  if (budget_ != nullptr) budget_->spend(1);
  if (items_.size() == items_.capacity()) reserve(std::max<std::size_t>(4, 2 * items_.size()));
  items_.push_back(std::move(value));
}

void Items::append(const Items& others) {
  if (budget_ != nullptr) budget_->spend(others.size());
  if (others.size() > items_.capacity() - items_.size())
    reserve(std::max(items_.size() + others.size(), 2 * items_.size()));
  items_.insert(items_.end(), others.begin(), others.end());
}

void Items::reverse() { std::reverse(items_.begin(), items_.end()); }

void Dict::set(const Value& key, Value value) {
  depth_ = std::max({depth_, depth_of(key) + 1, depth_of(value) + 1});
  check_depth(depth_);
  Budget own;
  std::string place_key = checked_key(key, budget_ == nullptr ? own : *budget_);
  if (budget_ != nullptr && !places_.contains(place_key))
    hold_.grow(*budget_, 3 * sizeof(*entries_.data()) + 2 * overhead + place_key.capacity());
  const auto [place, added] = places_.emplace(std::move(place_key), entries_.size());
  if (added) {
    entries_.emplace_back(key, std::move(value));
  } else {
    entries_[place->second].second = std::move(value);
  }
}

const Value* Dict::find(const Value& key, Budget& budget) const {
  const auto place = places_.find(checked_key(key, budget));
  return place == places_.end() ? nullptr : &entries_[place->second].second;
}

const Value* Dict::member(std::string_view name) const {
  const auto place = places_.find(text_key(name));
  return place == places_.end() ? nullptr : &entries_[place->second].second;
}

void Variables::set(std::string_view name, Value value, Budget& budget) {
  const auto found = values_.find(name);
  if (found != values_.end()) {
    found->second = std::move(value);
    return;
  }
  budget.spend(1);
  hold_.grow(budget, sizeof(Map::value_type) + overhead + name.size());
  values_.emplace(name, std::move(value));
}

const Value* Variables::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

Value Value::given(std::string text) {
  return Value(std::make_shared<const Text>(Text{std::move(text)}));
}

Value Value::made(std::string text, Budget& budget, bool is_markup) {
  Hold hold(budget, sizeof(Text) + overhead + text.capacity());
  return Value(std::make_shared<const Text>(Text{std::move(text), is_markup, std::move(hold)}));
}

Value Value::undefined(std::string what, Budget& budget) {
  return from(Undefined{std::get<std::shared_ptr<const Text>>(made(std::move(what), budget).data)});
}

Value Value::sequence(SequenceKind kind, Items items, std::string label) {
  const int depth = checked_depth(items);
  return from(
      std::make_shared<const Sequence>(Sequence{kind, std::move(items), std::move(label), depth}));
}

Value Value::list(Items items) { return sequence(SequenceKind::list, std::move(items)); }

Value Value::pair(Value first, Value second, Budget& budget) {
  Items items(budget);
  items.reserve(2);
  items.push_back(std::move(first));
  items.push_back(std::move(second));
  return sequence(SequenceKind::tuple, std::move(items));
}

Value Value::generator(Items items) {
  const int depth = checked_depth(items);
  return from(std::make_shared<ItemGenerator>(ItemGenerator{std::move(items), 0, depth}));
}

Value Value::dict(Dict dict) { return from(std::make_shared<const Dict>(std::move(dict))); }

Value Value::function(Function function, Budget& budget) {
  if (function.receiver != nullptr) function.depth = depth_of(*function.receiver) + 1;
  check_depth(function.depth);
  function.hold =
      Hold(budget, sizeof(Function) + sizeof(Value) + 2 * overhead + function.name.capacity());
  return from(std::make_shared<const Function>(std::move(function)));
}

int depth_of(const Value& value) {
  if (const Sequence* sequence = value.sequence()) return sequence->depth;
  if (const Dict* dict = value.dict()) return dict->depth();
  if (const ItemGenerator* generator = value.generator()) return generator->depth;
  if (const Function* function = value.function()) return function->depth;
  if (const Loop* loop = value.loop()) return loop->depth;
  return 0;
}

std::string kind_name(const Value& value) {
  static constexpr const char* names[] = {"an undefined value",
                                          "none",
                                          "a boolean",
                                          "an integer",
                                          "a float",
                                          "a string",
                                          "a list",
                                          "a dict",
                                          "a generator",
                                          "a namespace",
                                          "a loop",
                                          "a cycler or joiner",
                                          "a function"};
  if (const Sequence* sequence = value.sequence()) {
    if (sequence->kind == SequenceKind::tuple) return "a tuple";
    if (sequence->kind == SequenceKind::range) return "a range";
    if (sequence->kind == SequenceKind::view) return "a view of a dict";
  }
  return names[value.data.index()];
}

void refuse_input(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::invalid_input, where + ": " + what, where);
}

void fail_undefined(const Value& value) {
  const auto& what = std::get<Undefined>(value.data).what;
  fail((what == nullptr ? std::string("the value") : what->bytes) + " is undefined");
}

std::shared_ptr<const Text> text_of(const Value& value, Budget& budget) {
  using Shared = std::shared_ptr<const Text>;
  if (const auto* text = std::get_if<Shared>(&value.data)) return *text;
  Builder out(budget);
  if (!value.is_undefined()) write_repr(value, out);
  return std::get<Shared>(Value::made(out).data);
}

bool is_true(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const auto number = number_of(value)) return *number != 0;
  if (const Text* text = value.text()) return !text->bytes.empty();
  if (const auto length = length_of(value)) return *length != 0;
  return true;
}

std::optional<std::int64_t> integer_of(const Value& value) {
  if (value.is_bool()) return std::get<bool>(value.data) ? 1 : 0;
  if (value.is_integer()) return std::get<std::int64_t>(value.data);
  return std::nullopt;
}

std::optional<double> number_of(const Value& value) {
  if (const auto integer = integer_of(value)) return static_cast<double>(*integer);
  if (value.is_float()) return std::get<double>(value.data);
  return std::nullopt;
}

namespace {

// Exactly, as Python does it: the integer is not rounded.
std::partial_ordering order(std::int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b >= integers_end) return std::partial_ordering::less;
  if (b < -integers_end) return std::partial_ordering::greater;
  const double whole = std::trunc(b);
  const auto integer = static_cast<std::int64_t>(whole);
  return a != integer ? std::partial_ordering(a <=> integer) : whole <=> b;
}

std::partial_ordering order_numbers(const Value& a, const Value& b) {
  const auto x = integer_of(a), y = integer_of(b);
  if (x && y) return *x <=> *y;
  if (x) return order(*x, *number_of(b));
  if (y) return 0 <=> order(*y, *number_of(a));
  return *number_of(a) <=> *number_of(b);
}

}  // namespace

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.spend(1);
  if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
  if (a.data.index() != b.data.index()) return false;
  if (identity(a) != nullptr || identity(b) != nullptr) return identity(a) == identity(b);
  if (const Text* text = a.text()) return equal_texts(text->bytes, b.text()->bytes, budget);
  if (const Sequence* sequence = a.sequence())
    return equal_sequences(*sequence, *b.sequence(), budget);
  if (const Dict* dict = a.dict()) return equal_dicts(*dict, *b.dict(), budget);
  if (const Function* function = a.function()) return function->name == b.function()->name;
  return true;  // undefined or none
}

bool less_than(const Value& a, const Value& b, Budget& budget) {
  budget.spend(1);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_number() && b.is_number()) return order_numbers(a, b) < 0;
  if (a.text() != nullptr && b.text() != nullptr) {
    budget.spend_bytes(std::min(a.text()->bytes.size(), b.text()->bytes.size()));
    return a.text()->bytes < b.text()->bytes;
  }
  const Sequence *x = a.sequence(), *y = b.sequence();
  if (x != nullptr && y != nullptr && x->kind == y->kind && x->kind <= SequenceKind::tuple) {
    for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
      if (!equal(x->items[i], y->items[i], budget))
        return less_than(x->items[i], y->items[i], budget);
    }
    return x->items.size() < y->items.size();
  }
  if (x != nullptr && y != nullptr && is_set(*x) && is_set(*y))
    return x->items.size() < y->items.size() && is_subset(x->items, y->items, budget);
  fail("cannot order " + kind_name(a) + " and " + kind_name(b));
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) fail("cannot look for " + kind_name(item) + " in a string");
    return Searcher(item.text()->bytes, budget).find(text->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(item, budget) != nullptr;
  const auto is_item = [&](const Value& value) { return equal(value, item, budget); };
  if (ItemGenerator* generator = container.generator()) {
    while (generator->next < generator->items.size()) {
      if (is_item(generator->items[generator->next++])) return true;
    }
    return false;
  }
  if (const Sequence* sequence = container.sequence()) {
    if (is_set(*sequence) && sequence->label == "dict_keys") checked_key(item, budget);
    return std::any_of(sequence->items.begin(), sequence->items.end(), is_item);
  }
  if (container.is_undefined()) return false;
  fail("cannot look for something in " + kind_name(container));
}

namespace {

// Made once, so that going through a text takes no memory for each character of it.
const Value& ascii_character(char c) {
  static const std::vector<Value> characters = [] {
    std::vector<Value> all;
    for (int i = 0; i < 128; ++i) all.push_back(Value::given(std::string(1, static_cast<char>(i))));
    return all;
  }();
  return characters[static_cast<std::size_t>(c)];
}

void append_characters(std::string_view text, Items& items, Budget& budget) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text, at);
    items.push_back(size == 1 ? ascii_character(text[at])
                              : Value::made(std::string(text.substr(at, size)), budget));
    at += size;
  }
}

}  // namespace

Items items_of(const Value& value, Budget& budget) {
  Items items(budget);
  if (value.is_undefined()) return items;
  if (const Text* text = value.text()) {
    append_characters(text->bytes, items, budget);
  } else if (const Sequence* sequence = value.sequence()) {
    items.append(sequence->items);
  } else if (const Dict* dict = value.dict()) {
    items.reserve(dict->entries().size());
    for (const auto& [key, item] : dict->entries()) items.push_back(key);
  } else if (ItemGenerator* generator = value.generator()) {
    items.reserve(generator->items.size() - generator->next);
    while (generator->next < generator->items.size())
      items.push_back(generator->items[generator->next++]);
  } else {
    fail("cannot go through the items of " + kind_name(value));
  }
  return items;
}

std::optional<std::size_t> length_of(const Value& value) {
  if (const Text* text = value.text()) return count_characters(text->bytes);
  if (const Sequence* sequence = value.sequence()) return sequence->items.size();
  if (const Dict* dict = value.dict()) return dict->entries().size();
  if (const Loop* loop = value.loop()) return loop->items.size();
  if (value.is_undefined()) return 0;
  return std::nullopt;
}

}  // namespace llm::detail::jinja
