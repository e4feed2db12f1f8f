#include "tokenizer/byte_trie.hpp"

namespace llm::detail {

ByteTrie::ByteTrie() : first_(256, no_node), edges_(16), values_(1, no_value), mask_(15) {}

void ByteTrie::insert(std::string_view key, std::int32_t value) {
  std::uint32_t node = root;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    std::uint32_t next = child(node, byte);
    if (next == no_node) {
      next = static_cast<std::uint32_t>(values_.size());
      values_.push_back(no_value);
      if (values_.size() * 2 > edges_.size()) grow();
      if (node == root) {
        first_[byte] = next;
      } else {
        const std::uint64_t edge = (std::uint64_t{node} << 8U) | byte;
        std::size_t slot = hash(edge) & mask_;
        while (edges_[slot].key != free_edge) slot = (slot + 1) & mask_;
        edges_[slot] = {edge, next};
      }
    }
    node = next;
  }
  values_[node] = value;
}

void ByteTrie::grow() {
  std::vector<Edge> old(edges_.size() * 2);
  old.swap(edges_);
  mask_ = edges_.size() - 1;
  for (const Edge& edge : old) {
    if (edge.key == free_edge) continue;
    std::size_t slot = hash(edge.key) & mask_;
    while (edges_[slot].key != free_edge) slot = (slot + 1) & mask_;
    edges_[slot] = edge;
  }
}

}  // namespace llm::detail
