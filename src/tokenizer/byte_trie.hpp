// A set of byte strings with values, walked byte by byte: added tokens and Unigram pieces.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace llm::detail {

class ByteTrie {
 public:
  static constexpr std::uint32_t root = 0;
  static constexpr std::uint32_t no_node = 0xFFFFFFFFU;
  static constexpr std::int32_t no_value = -1;

  ByteTrie();
  // A key that is there already gets the new value. `value` is not negative.
  void insert(std::string_view key, std::int32_t value);

  std::uint32_t child(std::uint32_t node, unsigned char byte) const {
    if (node == root) return first_[byte];
    const std::uint64_t key = (std::uint64_t{node} << 8U) | byte;
    for (std::size_t slot = hash(key) & mask_;; slot = (slot + 1) & mask_) {
      if (edges_[slot].key == key) return edges_[slot].node;
      if (edges_[slot].key == free_edge) return no_node;
    }
  }
  std::int32_t value(std::uint32_t node) const { return values_[node]; }

 private:
  struct Edge {
    std::uint64_t key = free_edge;  // parent node and byte
    std::uint32_t node = no_node;
  };
  static constexpr std::uint64_t free_edge = ~std::uint64_t{0};
  static std::size_t hash(std::uint64_t key) {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> 20U);
  }
  void grow();

  std::vector<std::uint32_t> first_;  // children of the root
  std::vector<Edge> edges_;           // all other edges, open addressing
  std::vector<std::int32_t> values_;  // by node
  std::size_t mask_ = 0;
};

}  // namespace llm::detail
