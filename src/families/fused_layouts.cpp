#include "families/fused_layouts.hpp"

namespace llm::detail {

LinearSource unfused_heads(LinearSource source, const StackConfig& d) {
  for (std::int64_t kind = 0; kind < 3; ++kind) {
    for (std::int64_t head = 0; head < d.num_attention_heads; ++head) {
      for (std::int64_t i = 0; i < d.head_dim; ++i) {
        source.parts.front().row_order.push_back((head * 3 + kind) * d.head_dim + i);
      }
    }
  }
  return source;
}

}  // namespace llm::detail
