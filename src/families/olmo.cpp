// OLMo (arXiv:2402.00838): a LLaMA whose norms have no weights, with clipped queries, keys and
// values; OLMo 2 (arXiv:2501.00656: norms of a sublayer's output instead of its input, and of all
// queries and all keys of a token), OLMo 3 (windows with a rotation of their own) and EXAONE 4
// (arXiv:2507.11407: the same norms, but of each head; only layers with a window are rotated).
// Reference: transformers modeling_{olmo,olmo2,olmo3,exaone4}.py.
#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace olmo {  // the names of all family files are alike

void read_olmo3(const ConfigReader& json, StackConfig& d) {
  const RotaryDefaults rotary{.theta = 500000.0};
  d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 4096, 0), 4);
  d.positions = read_layer_rotary(json, "full_attention", json.object("rope_scaling"), d.head_dim,
                                  d.max_position_embeddings, rotary);
  d.window_rotary = read_layer_rotary(json, "sliding_attention", json.object(""), d.head_dim,
                                      d.max_position_embeddings, rotary);
}

void read_exaone4(const ConfigReader& json, StackConfig& d) {
  const std::int64_t window = json.size("sliding_window", 4096, 0);
  const std::int64_t full_every = window > 0 ? json.size("sliding_window_pattern", 4) : 0;
  d.attention_window = read_layer_windows(json, d, window, full_every);
  for (const std::int64_t own : d.attention_window) d.rotary_layers.push_back(own > 0);
}

TransformerConfig read_config(const ConfigReader& json) {
  const bool first = json.is_any({"olmo"}), exaone = json.is_any({"exaone4"});
  TransformerConfig c =
      json.common(exaone ? SpecialTokens{0, 2, {}, {}} : SpecialTokens{{}, 50279, 1, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, {.num_key_value_heads = exaone ? 32 : 0, .rms_norm_eps = 1e-5});
  if (first) {
    d.norm = NormKind::layer_norm;
    d.norm_eps = 1e-5;
    d.clip_qkv = json.number("clip_qkv", 0);
    if (d.clip_qkv < 0) json.reject("clip_qkv", "expected a number that is not negative");
  }
  if (!exaone) d.attention_bias = d.attention_out_bias = json.flag("attention_bias", false);
  d.query_key_norm = !first;
  if (json.is_any({"olmo3"})) {
    read_olmo3(json, d);
  } else {
    d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings, {});
  }
  if (exaone) read_exaone4(json, d);
  return c;
}

NormSource unweighted(const WeightBinder&, std::string_view, std::int64_t size) {
  NormSource norm;
  norm.unweighted = size;
  return norm;
}

BlockSource bind_first_block(const WeightBinder& w, const StackConfig& d) {
  BlockSource b;
  b.attention_norm = b.feed_forward_norm = unweighted(w, "", d.hidden_size);
  b.attention = bind_llama_attention(w.scope("self_attn"), d, w.is_gguf());
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), d);
  return b;
}

template <bool each_head>
BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const WeightBinder attn = w.scope("self_attn");
  BlockSource b;
  b.attention = bind_llama_attention(attn, d, false);
  b.attention.query_norm = bind_llama_norm(attn, "q_norm", each_head ? d.head_dim : d.query_size());
  b.attention.key_norm =
      bind_llama_norm(attn, "k_norm", each_head ? d.head_dim : d.key_value_size());
  b.attention_out_norm = bind_llama_norm(w, "post_attention_layernorm", d.hidden_size);
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), d);
  b.feed_forward_out_norm = bind_llama_norm(w, "post_feedforward_layernorm", d.hidden_size);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  if (c.model_type == "olmo") {
    return bind_llama_model(root, c, bind_first_block, unweighted, "embed_tokens.weight");
  }
  const bool exaone = c.model_type == "exaone4";
  return bind_llama_model(root, c, exaone ? bind_block<true> : bind_block<false>, bind_llama_norm);
}

// Files of OLMo 3 have the windows.
void complete(const WeightStore&, Json& config) {
  if (!config["sliding_window"].is_null()) config["model_type"] = "olmo3";
}

GgufLayout gguf() {
  GgufLayout layout{{"olmo2"}, "olmo2", {}, {}, complete};
  layout.fields({"sliding_window=attention.sliding_window"});
  layout.names(
      "model.layers.{}.", "blk.{}.",
      {"post_attention_layernorm=post_attention_norm", "post_feedforward_layernorm=post_ffw_norm"});
  return with_llama_names(std::move(layout));
}

std::vector<HeadKind> heads() {
  return {HeadKind::language_model, HeadKind::sequence_classification};
}

}  // namespace olmo

ModelFamily olmo_family() {
  using namespace olmo;
  return {{"olmo"}, read_config, bind_weights, heads(), {}, {{"model.embed_tokens"}}};
}
ModelFamily olmo2_family() {
  using namespace olmo;
  return {{"olmo2", "olmo3"}, read_config, bind_weights, heads(), gguf(), {{"model.embed_tokens"}}};
}
ModelFamily exaone4_family() {
  using namespace olmo;
  return {{"exaone4"}, read_config, bind_weights, decoder_heads(), {}, {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
