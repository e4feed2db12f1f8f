// The tokens of a file and their ids, both ways. One arena, one hash table, no string per token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"

namespace llm::detail {

class Vocabulary {
 public:
  // Ids and counts beyond this are taken for damage: ten times the largest vocabulary in use.
  static constexpr TokenId max_ids = TokenId{1} << 22;

  // Throws Error (bad_format, naming `where`) when the id is out of range or taken. A token that is
  // there already keeps both ids; find() gives the later one.
  void add(std::string_view token, std::int64_t id, const std::string& where);
  void reserve(std::size_t count);

  std::optional<TokenId> find(std::string_view token) const;
  // The token as it is spelled, empty when the id is not used. Valid until the next add().
  std::string_view token(TokenId id) const;
  bool contains(TokenId id) const;
  // One past the largest id.
  TokenId size() const { return static_cast<TokenId>(entries_.size()); }
  // How many tokens were added.
  std::size_t count() const { return count_; }

 private:
  struct Entry {
    std::uint32_t offset = unused;
    std::uint32_t length = 0;
  };
  static constexpr std::uint32_t unused = 0xFFFFFFFFU;
  std::size_t slot_of(std::string_view token) const;
  void grow(std::size_t slots);

  std::string arena_;
  std::vector<Entry> entries_;  // by id
  std::vector<TokenId> slots_;  // hash table of ids, -1 is free; a power of two
  std::size_t count_ = 0;
  std::size_t used_slots_ = 0;
};

}  // namespace llm::detail
