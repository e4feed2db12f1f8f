#include "families/fused_layouts.hpp"

namespace llm::detail {

LinearSource unfused_heads(LinearSource source, const StackConfig& d) {
  if (source.parts.front().weight == nullptr) return source;  // its sizes may be any
  for (std::int64_t kind = 0; kind < 3; ++kind) {
    for (std::int64_t head = 0; head < d.num_attention_heads; ++head) {
      for (std::int64_t i = 0; i < d.head_dim; ++i) {
        source.parts.front().row_order.push_back((head * 3 + kind) * d.head_dim + i);
      }
    }
  }
  return source;
}

LinearSource unfused_groups(LinearSource source, const StackConfig& d) {
  if (source.parts.front().weight == nullptr) return source;  // its sizes may be any
  const std::int64_t group = d.num_attention_heads / d.num_key_value_heads, rows = group + 2;
  std::vector<std::int64_t>& order = source.parts.front().row_order;
  const auto add_head = [&](std::int64_t stored) {
    for (std::int64_t i = 0; i < d.head_dim; ++i) order.push_back(stored * d.head_dim + i);
  };
  for (std::int64_t h = 0; h < d.num_attention_heads; ++h) add_head(h / group * rows + h % group);
  for (std::int64_t h = 0; h < d.num_key_value_heads; ++h) add_head(h * rows + group);
  for (std::int64_t h = 0; h < d.num_key_value_heads; ++h) add_head(h * rows + group + 1);
  return source;
}

}  // namespace llm::detail
