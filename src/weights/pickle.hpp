// Reads Python pickles without Python, into a tree of plain values. Nothing is ever run: a call
// stays a node that says so, and only functions on a given list may be named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

enum class PickleKind : std::uint8_t {
  none,
  boolean,     // integer: 0 or 1
  integer,     // integer
  wide,        // text: a whole number of more than 64 bits, as little endian bytes
  real,        // real
  text,        // text: a string, or bytes
  tuple,       // items
  list,        // items
  dict,        // items: key, value, key, value, ...
  global,      // text: "module.name", one of the allowed
  call,        // text: the function, "module.name"; items: one, the tuple of its arguments
  persistent,  // items: one, what stands for an object outside the pickle
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  union {
    std::int64_t integer = 0;
    double real;
  };
  std::string_view text;  // of the bytes read, or of the allowed list
  std::vector<const PickleValue*> items;
};

class Pickle {
 public:
  // Reads the pickle that begins at byte `begin` of `bytes`, which must outlive this. Protocols 2
  // to 5. Throws Error: bad_format for damage; unsupported, which names an opcode or a global that
  // is not in `allowed`. `where` names the file.
  Pickle(std::span<const std::byte> bytes, std::size_t begin, const std::string& where,
         std::span<const std::string_view> allowed);

  const PickleValue& root() const { return *root_; }
  // Where the pickle ends in `bytes`.
  std::size_t end() const { return end_; }
  // Every reference to an object outside the pickle.
  const std::vector<const PickleValue*>& persistent() const { return persistent_; }

 private:
  friend class PickleMachine;

  std::deque<PickleValue> values_;  // owns all values; the tree may share values and have cycles
  std::vector<const PickleValue*> persistent_;
  const PickleValue* root_ = nullptr;
  std::size_t end_ = 0;
};

// The value of a key of a dict; nullptr when there is none, or when `dict` is not a dict.
const PickleValue* find_item(const PickleValue& dict, std::string_view key);

}  // namespace llm::detail
