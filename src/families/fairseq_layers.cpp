#include "families/fairseq_layers.hpp"

namespace llm::detail {

BlockSource bind_fairseq_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  const WeightBinder attn = w.scope("self_attn");
  const Bias bias = d.attention_bias ? Bias::yes : Bias::no;
  BlockSource b;
  b.attention_norm = w.norm("self_attn_layer_norm", hidden, Bias::yes);
  b.attention.in = attn.linear("q_proj", hidden, hidden, bias);
  b.attention.in.append(attn.linear("k_proj", hidden, hidden, bias))
      .append(attn.linear("v_proj", hidden, hidden, bias));
  b.attention.out = attn.linear("out_proj", hidden, hidden, bias);
  b.feed_forward_norm = w.norm("final_layer_norm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("fc1", inner, hidden, bias);
  b.feed_forward.down = w.linear("fc2", hidden, inner, bias);
  return b;
}

}  // namespace llm::detail
