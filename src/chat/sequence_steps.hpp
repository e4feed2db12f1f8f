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
  explicit AttributePath(const std::optional<Value>& path) {
    if (!path || path->is_none()) return;
    if (path->text() == nullptr) {
      keys_.push_back(*path);
      return;
    }
    for (std::string& part : split(path->text()->bytes, ".", -1, false)) {
      const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
      const bool is_index = !part.empty() && std::all_of(part.begin(), part.end(), is_digit);
      const auto index = is_index ? parse_integer(part, 10) : std::nullopt;
      keys_.push_back(index ? Value(*index) : Value(std::move(part)));
    }
  }

  Value read(Interpreter& in, Value value) const {
    for (const Value& key : keys_) value = in.item(value, key);
    return value;
  }

 private:
  std::vector<Value> keys_;
};

// What items are compared by: themselves or attributes, texts in lower case unless case matters.
class SortKey {
 public:
  SortKey(bool case_sensitive, const std::optional<Value>& attribute, Interpreter& in,
          std::optional<Value> otherwise = {})
      : case_sensitive_(case_sensitive), in_(in), otherwise_(std::move(otherwise)) {
    if (attribute && attribute->text() != nullptr) {
      for (std::string& path : split(attribute->text()->bytes, ",", -1, false))
        paths_.emplace_back(Value(std::move(path)));
    } else {
      paths_.emplace_back(attribute);
    }
  }

  // The attribute as it is.
  Value plain(const Value& item) const { return one(paths_[0], item); }

  Value of(const Value& item) const {
    if (paths_.size() == 1) return folded(plain(item));
    std::vector<Value> keys;
    for (const AttributePath& path : paths_) keys.push_back(folded(one(path, item)));
    return Value::list(std::move(keys));
  }

  std::vector<Value> sorted(std::vector<Value> items, bool reverse) const {
    std::vector<std::pair<Value, std::size_t>> keys;
    for (std::size_t i = 0; i < items.size(); ++i) keys.emplace_back(of(items[i]), i);
    const auto less = [&](const auto& a, const auto& b) {
      return reverse ? less_than(b.first, a.first, in_.budget())
                     : less_than(a.first, b.first, in_.budget());
    };
    merge_sort(keys, less);
    std::vector<Value> out;
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
    in_.budget().spend(text->bytes.size() / 32);
    return Value(lower(text->bytes));
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
