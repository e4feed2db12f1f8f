// Command R (Cohere) and Command R7B (Cohere 2): decoder whose attention and gated feed-forward
// read one norm of the same stream, pairs of neighbours rotate, and the logits are scaled. Command
// R+ has norms of queries and keys; Cohere 2 has windows, and only its layers with one are rotated.
// Reference: transformers modeling_{cohere,cohere2}.py.
#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace cohere {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  const bool first = json.is_any({"cohere"});
  TransformerConfig c = json.common({5, 255001, 0, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  c.logits_scale = json.number("logit_scale", 0.0625);
  StackConfig& d = c.decoder;
  if (!first && json.has("hidden_size") && json.has("num_attention_heads")) {
    json.require("head_dim", json.size("hidden_size") / json.size("num_attention_heads"),
                 "the heads of this model type divide hidden_size");
  }
  d = read_llama_stack(json, {.max_position_embeddings = 8192});
  d.norm = NormKind::layer_norm;
  d.norm_eps = json.number("layer_norm_eps", 1e-5);
  d.parallel_sublayers = true;
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.theta = first ? 500000.0 : 10000.0});
  d.attention_bias = d.attention_out_bias = json.flag("attention_bias", false);
  if (first) {
    d.query_key_norm = json.flag("use_qk_norm", false);
    return c;
  }
  d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 4096, 0),
                                          json.size("sliding_window_pattern", 4));
  for (const std::int64_t window : d.attention_window) d.rotary_layers.push_back(window > 0);
  if (d.attention_window.empty()) d.positions = NoPositions{};
  return c;
}

// Weights of a head lie in the order in which its rows do.
NormSource bind_head_norm(const WeightBinder& w, const char* name, std::int64_t heads,
                          std::int64_t head_dim) {
  NormSource norm = w.norm_rows(name, heads, head_dim);
  if (norm.weight != nullptr) norm.value_order = uninterleaved_order(1, head_dim, head_dim);
  return norm;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const WeightBinder attn = w.scope("self_attn");
  BlockSource b;
  b.attention_norm = bind_llama_norm(w, "input_layernorm", d.hidden_size);
  b.attention = bind_llama_attention(attn, d, true);
  if (d.query_key_norm) {
    b.attention.query_norm = bind_head_norm(attn, "q_norm", d.num_attention_heads, d.head_dim);
    b.attention.key_norm = bind_head_norm(attn, "k_norm", d.num_key_value_heads, d.head_dim);
  }
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), d);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  return bind_llama_model(root, c, bind_block, bind_llama_norm);
}

GgufLayout gguf() {
  GgufLayout layout{{"command-r"}, "cohere", {}, {}};
  layout.complete = [](const WeightStore& store, Json& config) {
    config["use_qk_norm"] = store.find("blk.0.attn_q_norm.weight") != nullptr;
  };
  layout.fields({"layer_norm_eps=attention.layer_norm_epsilon", "logit_scale=logit_scale"});
  return with_llama_names(std::move(layout));
}

}  // namespace cohere

ModelFamily cohere_family() {
  using namespace cohere;
  return {{"cohere", "cohere2"},      read_config, bind_weights,
          {HeadKind::language_model}, gguf(),      {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
