// Containers, comparisons and iteration of values, as Python does them.
#include "chat/value.hpp"

#include <algorithm>
#include <cmath>

#include "chat/text.hpp"

namespace llm::detail::jinja {
namespace {

int checked_depth(const std::vector<Value>& items) {
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, depth_of(item) + 1);
  if (depth > max_value_depth)
    fail("values are nested more than " + std::to_string(max_value_depth) + " levels deep");
  return depth;
}

// Equal values have equal keys; nullopt for what Python cannot hash.
std::optional<std::string> key_of(const Value& value) {
  if (const Text* text = value.text()) return "s" + text->bytes;
  if (const auto integer = integer_of(value)) return "n" + std::to_string(*integer);
  if (value.is_float()) {
    const double number = std::get<double>(value.data);
    constexpr double limit = 9.2e18;
    if (std::floor(number) == number && std::fabs(number) < limit)
      return "n" + std::to_string(static_cast<std::int64_t>(number));
    return "f" + float_text(number);
  }
  if (value.is_none()) return "z";
  if (value.is_undefined()) return "u";
  const Sequence* sequence = value.sequence();
  if (sequence == nullptr || sequence->kind != SequenceKind::tuple) return std::nullopt;
  std::string key = "t";
  for (const Value& item : sequence->items) {
    const auto part = key_of(item);
    if (!part) return std::nullopt;
    key += std::to_string(part->size()) + ":" + *part;
  }
  return key;
}

std::string checked_key(const Value& key) {
  auto found = key_of(key);
  if (!found) fail(kind_name(key) + " cannot be the key of a dict");
  return *std::move(found);
}

bool equal_items(const std::vector<Value>& a, const std::vector<Value>& b, Budget& budget) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(a[i], b[i], budget)) return false;
  }
  return true;
}

bool equal_dicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const auto& [key, value] : a.entries()) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(value, *other, budget)) return false;
  }
  return true;
}

}  // namespace

void Dict::set(const Value& key, Value value) {
  depth_ = std::max({depth_, depth_of(key) + 1, depth_of(value) + 1});
  if (depth_ > max_value_depth)
    fail("values are nested more than " + std::to_string(max_value_depth) + " levels deep");
  const auto [place, added] = places_.emplace(checked_key(key), entries_.size());
  if (added) {
    entries_.emplace_back(key, std::move(value));
  } else {
    entries_[place->second].second = std::move(value);
  }
}

const Value* Dict::find(const Value& key) const {
  const auto place = places_.find(checked_key(key));
  return place == places_.end() ? nullptr : &entries_[place->second].second;
}

const Value* Dict::member(std::string_view name) const {
  const auto place = places_.find("s" + std::string(name));
  return place == places_.end() ? nullptr : &entries_[place->second].second;
}

Value Value::sequence(SequenceKind kind, std::vector<Value> items, std::string label) {
  const int depth = checked_depth(items);
  return from(
      std::make_shared<const Sequence>(Sequence{kind, std::move(items), std::move(label), depth}));
}

Value Value::generator(std::vector<Value> items) {
  const int depth = checked_depth(items);
  return from(std::make_shared<ItemGenerator>(ItemGenerator{std::move(items), 0, depth}));
}

Value Value::dict(Dict dict) { return from(std::make_shared<const Dict>(std::move(dict))); }

Value Value::function(Function function) {
  if (function.receiver != nullptr) function.depth = checked_depth({*function.receiver});
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
  const std::string& what = std::get<Undefined>(value.data).what;
  fail((what.empty() ? std::string("the value") : what) + " is undefined");
}

bool is_true(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const auto number = number_of(value)) return *number != 0;
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

bool equal(const Value& a, const Value& b, Budget& budget) {
  budget.spend(1);
  if (a.is_number() && b.is_number()) {
    const auto x = integer_of(a), y = integer_of(b);
    return x && y ? *x == *y : *number_of(a) == *number_of(b);
  }
  if (a.data.index() != b.data.index()) return false;
  if (const Text* text = a.text()) return text->bytes == b.text()->bytes;
  if (const Sequence* sequence = a.sequence())
    return sequence->kind == b.sequence()->kind &&
           equal_items(sequence->items, b.sequence()->items, budget);
  if (const Dict* dict = a.dict()) return equal_dicts(*dict, *b.dict(), budget);
  if (a.is_undefined() || a.is_none()) return true;
  if (a.as_namespace() != nullptr) return a.as_namespace() == b.as_namespace();
  return a.generator() == b.generator() && a.loop() == b.loop() && a.counter() == b.counter() &&
         a.function() == b.function();
}

bool less_than(const Value& a, const Value& b, Budget& budget) {
  budget.spend(1);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (a.is_number() && b.is_number()) {
    const auto x = integer_of(a), y = integer_of(b);
    return x && y ? *x < *y : *number_of(a) < *number_of(b);
  }
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->bytes < b.text()->bytes;
  const Sequence *x = a.sequence(), *y = b.sequence();
  if (x != nullptr && y != nullptr && x->kind == y->kind && x->kind <= SequenceKind::tuple) {
    for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
      if (!equal(x->items[i], y->items[i], budget))
        return less_than(x->items[i], y->items[i], budget);
    }
    return x->items.size() < y->items.size();
  }
  fail("cannot order " + kind_name(a) + " and " + kind_name(b));
}

bool contains(const Value& container, const Value& item, Budget& budget) {
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) fail("cannot look for " + kind_name(item) + " in a string");
    budget.spend(text->bytes.size() / 32);
    return text->bytes.find(item.text()->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(item) != nullptr;
  const auto is_item = [&](const Value& value) { return equal(value, item, budget); };
  if (ItemGenerator* generator = container.generator()) {
    while (generator->next < generator->items.size()) {
      if (is_item(generator->items[generator->next++])) return true;
    }
    return false;
  }
  if (const Sequence* sequence = container.sequence())
    return std::any_of(sequence->items.begin(), sequence->items.end(), is_item);
  if (container.is_undefined()) return false;
  fail("cannot look for something in " + kind_name(container));
}

std::vector<Value> items_of(const Value& value, Budget& budget) {
  std::vector<Value> items;
  if (value.is_undefined()) return items;
  if (const Text* text = value.text()) {
    for (std::size_t at = 0; at < text->bytes.size();) {
      const std::size_t size = character_size(text->bytes, at);
      budget.spend(1);
      items.emplace_back(text->bytes.substr(at, size));
      at += size;
    }
    return items;
  }
  if (const Sequence* sequence = value.sequence()) {
    budget.spend(sequence->items.size());
    return sequence->items;
  }
  if (const Dict* dict = value.dict()) {
    budget.spend(dict->entries().size());
    for (const auto& [key, item] : dict->entries()) items.push_back(key);
    return items;
  }
  if (ItemGenerator* generator = value.generator()) {
    budget.spend(generator->items.size() - generator->next);
    items.assign(generator->items.begin() + static_cast<std::ptrdiff_t>(generator->next),
                 generator->items.end());
    generator->next = generator->items.size();
    return items;
  }
  fail("cannot go through the items of " + kind_name(value));
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
