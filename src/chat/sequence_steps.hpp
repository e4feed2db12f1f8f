// Reading attributes of items and sorting by them, for filters.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "chat/builtins.hpp"

namespace llm::detail::jinja {

// "a.b.0": items or attributes of items. Without a path the item itself.
class AttributePath {
 public:
  AttributePath(const std::optional<Value>& path, Budget& budget) : keys_(budget) {
    if (!path || path->is_none()) return;
    if (path->text() == nullptr) {
      keys_.push_back(*path);
    } else {
      add_parts(path->text()->bytes, budget);
    }
  }
  AttributePath(std::string_view path, Budget& budget) : keys_(budget) { add_parts(path, budget); }

  Value read(Interpreter& in, Value value) const {
    for (const Value& key : keys_) value = in.item(value, key);
    return value;
  }

 private:
  void add_parts(std::string_view path, Budget& budget) {
    for (const std::string_view part : split(path, ".", -1, false, budget)) {
      const bool is_index = !part.empty() && std::all_of(part.begin(), part.end(), is_digit);
      const auto index = is_index ? parse_integer(part, 10) : std::nullopt;
      keys_.push_back(index ? Value(*index) : Value::made(std::string(part), budget));
    }
  }

  Items keys_;
};

// What items are compared by: themselves or attributes, texts in lower case unless case matters.
class SortKey {
 public:
  SortKey(bool case_sensitive, const std::optional<Value>& attribute, Interpreter& in,
          std::optional<Value> otherwise = {})
      : case_sensitive_(case_sensitive), in_(in), otherwise_(std::move(otherwise)) {
    if (attribute && attribute->text() != nullptr) {
      for (const std::string_view path :
           split(attribute->text()->bytes, ",", -1, false, in.budget()))
        paths_.emplace_back(path, in.budget());
    } else {
      paths_.emplace_back(attribute, in.budget());
    }
  }

  // The attribute as it is.
  Value plain(const Value& item) const { return one(paths_[0], item); }

  Value of(const Value& item) const {
    if (paths_.size() == 1) return folded(plain(item));
    Items keys(in_.budget());
    for (const AttributePath& path : paths_) keys.push_back(folded(one(path, item)));
    return Value::list(std::move(keys));
  }

  Items sorted(const Items& items, bool reverse) const {
    using Keyed = std::pair<Value, std::size_t>;
    const Hold hold(in_.budget(), 4 * items.size() * sizeof(Keyed));
    std::vector<Keyed> keys;
    for (std::size_t i = 0; i < items.size(); ++i) keys.emplace_back(of(items[i]), i);
    merge_sort(keys, [&](const Keyed& a, const Keyed& b) {
      return reverse ? less_than(b.first, a.first, in_.budget())
                     : less_than(a.first, b.first, in_.budget());
    });
    Items out(in_.budget());
    out.reserve(items.size());
    for (const auto& [key, place] : keys) out.push_back(items[place]);
    return out;
  }

 private:
  Value one(const AttributePath& path, const Value& item) const {
    Value value = path.read(in_, item);
    return value.is_undefined() && otherwise_ ? *otherwise_ : value;
  }

  Value folded(const Value& value) const {
    const Text* text = value.text();
    if (case_sensitive_ || text == nullptr) return value;
    Builder out(in_.budget());
    lower(text->bytes, out);
    return Value::made(out);
  }

  // Bottom-up; unlike std::stable_sort it may be given an order that contradicts itself (NaN) and
  // keeps everything whole when a comparison throws.
  template <typename Items, typename Less>
  static void merge_sort(Items& items, const Less& less) {
    for (std::size_t width = 1; width < items.size(); width *= 2) {
      Items merged;
      for (std::size_t begin = 0; begin < items.size(); begin += 2 * width) {
        const std::size_t middle = std::min(begin + width, items.size());
        const std::size_t end = std::min(middle + width, items.size());
        std::size_t a = begin, b = middle;
        while (a < middle || b < end) {
          const bool take_b = a == middle || (b < end && less(items[b], items[a]));
          merged.push_back(items[take_b ? b++ : a++]);
        }
      }
      items = std::move(merged);
    }
  }

  bool case_sensitive_;
  Interpreter& in_;
  std::optional<Value> otherwise_;
  std::vector<AttributePath> paths_;
};

}  // namespace llm::detail::jinja
