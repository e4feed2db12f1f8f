// Phi-3 and Phi-4-mini (arXiv:2404.14219, 2503.01743): a LLaMA with fused projections, heads that
// may be rotated in part, LongRoPE (arXiv:2402.13753) and perhaps a window. Reference: transformers
// modeling_phi3.py.
#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace phi3 {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({1, 32000, 32000, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, {.max_position_embeddings = 4096, .rms_norm_eps = 1e-5});
  const RotaryDefaults rotary{.may_be_partial = true, .original_max_position_embeddings = 4096};
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings, rotary);
  d.max_position_embeddings = rotary_reach(json, d.max_position_embeddings, rotary);
  d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 0, 0), 0);
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size;
  const WeightBinder attn = w.scope("self_attn"), mlp = w.scope("mlp");
  BlockSource b;
  b.attention_norm = w.norm("input_layernorm", hidden, Bias::no);
  b.attention.in = attn.linear("qkv_proj", d.query_size() + 2 * d.key_value_size(), hidden);
  b.attention.out = attn.linear("o_proj", hidden, d.query_size());
  b.feed_forward_norm = w.norm("post_attention_layernorm", hidden, Bias::no);
  b.feed_forward = bind_fused_feed_forward(mlp, d);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  return bind_llama_model(root, c, bind_block, bind_llama_norm);
}

// LongRoPE's divisors are tensors; the file has no other word for it.
void complete(const WeightStore& store, Json& config) {
  complete_partial_rotary(config);
  const FileTensor* const divisors = store.find("rope_factors_short.weight");
  if (divisors == nullptr || divisors->shape.size() != 1) return;
  std::vector<double> values(static_cast<std::size_t>(divisors->shape[0]));
  read_values(*divisors, 0, divisors->shape[0], values.data());
  config["rope_scaling"] = {{"rope_type", "longrope"},
                            {"short_factor", values},
                            {"attention_factor", config["rope_attn_factor"]}};
}

GgufLayout gguf() {
  GgufLayout layout{{"phi3"}, "phi3", {}, {}, complete};
  layout.fields({"sliding_window=attention.sliding_window",
                 "rope_dimension_count=rope.dimension_count",
                 "rope_attn_factor=rope.scaling.attn_factor",
                 "original_max_position_embeddings=rope.scaling.original_context_length"});
  layout.names("model.layers.{}.", "blk.{}.",
               {"self_attn.qkv_proj=attn_qkv", "mlp.gate_up_proj=ffn_up"});
  return with_llama_names(std::move(layout));
}

}  // namespace phi3

ModelFamily phi3_family() {
  using namespace phi3;
  return {
      {"phi3"}, read_config, bind_weights, classifying_heads(), gguf(), {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
