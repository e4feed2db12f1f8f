// GLM-4 0414 (arXiv:2406.12793): a LLaMA with norms before and after each sublayer, a fused gated
// feed-forward, and half of each head rotated, in pairs of neighbours. Reference: transformers
// modeling_glm4.py.
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace glm4 {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({{}, {}, 151329, {}});
  if (!json.has("eos_token_id") && c.vocab_size > 151338) c.eos_token_id = {151329, 151336, 151338};
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, {.num_key_value_heads = 2,
                              .head_dim = 128,
                              .max_position_embeddings = 131072,
                              .rms_norm_eps = 1.5625e-7});
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.partial_rotary_factor = 0.5, .may_be_partial = true});
  d.attention_bias = json.flag("attention_bias", true);
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  BlockSource b;
  b.attention_norm = bind_llama_norm(w, "input_layernorm", d.hidden_size);
  b.attention = bind_llama_attention(w.scope("self_attn"), d, true);
  b.attention_out_norm = bind_llama_norm(w, "post_self_attn_layernorm", d.hidden_size);
  b.feed_forward_norm = bind_llama_norm(w, "post_attention_layernorm", d.hidden_size);
  b.feed_forward = bind_fused_feed_forward(w.scope("mlp"), d);
  b.feed_forward_out_norm = bind_llama_norm(w, "post_mlp_layernorm", d.hidden_size);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  return bind_llama_model(root, c, bind_block, bind_llama_norm);
}

}  // namespace glm4

ModelFamily glm4_family() {
  using namespace glm4;
  return {{"glm4"}, read_config, bind_weights, classifying_heads(), {}, {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
