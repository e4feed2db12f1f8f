// LLaMA (arXiv:2302.13971, 2407.21783): pre-norm decoder, RMS norm, rotary positions, gated SiLU
// feed-forward, grouped-query attention; Mistral (arXiv:2310.06825: windows), Qwen2
// (arXiv:2407.10671: biases, windows), Qwen3 (arXiv:2505.09388: norms of queries and keys) and
// SmolLM3 (layers without positions). Reference: transformers
// modeling_{llama,mistral,qwen2,qwen3,smollm3}.py and modeling_rope_utils.py.
#include <cmath>

#include "families/heads.hpp"
#include "families/layer_patterns.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace llama {  // the names of all family files are alike

SpecialTokens special_tokens(const ConfigReader& json) {
  if (json.is_any({"smollm3"})) return {128000, 128001, 128004, {}};
  if (json.is_any({"llama", "mistral"})) return {1, 2, {}, {}};
  return {};
}

// Which products have biases. GGUF files do not say it; their tensors show it.
void read_biases(const ConfigReader& json, StackConfig& d) {
  const bool asked = !json.is_any({"mistral", "qwen2"}) && json.flag("attention_bias", false);
  d.attention_bias = asked || json.is_any({"qwen2"});
  d.attention_out_bias = asked;
  d.mlp_bias = json.is_any({"llama", "smollm3"}) && json.flag("mlp_bias", false);
}

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common(special_tokens(json));
  const bool llama = json.is_any({"llama"}), smollm3 = json.is_any({"smollm3"});
  const bool mistral = json.is_any({"mistral"});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", smollm3);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_hidden_layers");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = json.size("intermediate_size");
  d.num_attention_heads = json.size("num_attention_heads");
  const std::int64_t kv_heads = llama ? d.num_attention_heads : mistral ? 8 : smollm3 ? 4 : 32;
  d.num_key_value_heads = json.size("num_key_value_heads", kv_heads, d.num_attention_heads);
  if (!json.has("head_dim") && d.hidden_size % d.num_attention_heads != 0) {
    json.reject("num_attention_heads", "expected a divisor of hidden_size when head_dim is absent");
  }
  d.head_dim =
      json.size("head_dim", json.is_any({"qwen3"}) ? 128 : d.hidden_size / d.num_attention_heads);
  d.max_position_embeddings = json.size("max_position_embeddings", llama     ? 2048
                                                                   : mistral ? 4096 * 32
                                                                             : 32768);
  d.norm = NormKind::rms_norm;
  d.norm_eps = json.number("rms_norm_eps", 1e-6);
  d.positions =
      read_rotary(json, d.head_dim, d.max_position_embeddings, smollm3 ? 2000000.0 : 10000.0);
  d.attention_scale = 1.0 / std::sqrt(static_cast<double>(d.head_dim));
  d.causal = true;
  d.hidden_act = json.activation("hidden_act", "silu");
  d.gated = true;
  read_biases(json, d);
  d.query_key_norm = json.is_any({"qwen3"});
  d.rotary_layers = read_rotary_layers(json, d.num_hidden_layers);
  d.attention_window = read_windows(json, d);
  return c;
}

// GGUF files of LLaMA and SmolLM3 interleave the halves of each query and key head (pairs (2i,
// 2i+1) rotate together). Here pairs (i, i + dim/2) rotate, as in Hugging Face folders.
LinearSource uninterleaved(LinearSource source, bool interleaved, std::int64_t heads,
                           std::int64_t head_dim) {
  if (!interleaved) return source;
  std::vector<std::int64_t>& order = source.parts.front().row_order;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < head_dim; ++i) {
      const std::int64_t half = head_dim / 2;
      order.push_back(h * head_dim + 2 * (i % half) + i / half);
    }
  }
  return source;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d, bool interleaved) {
  const std::int64_t hidden = d.hidden_size;
  const WeightBinder attn = w.scope("self_attn"), mlp = w.scope("mlp");
  const auto bias = [&](bool has) {
    return w.is_gguf() ? Bias::if_present : has ? Bias::yes : Bias::no;
  };
  const Bias in = bias(d.attention_bias), out = bias(d.attention_out_bias), ffn = bias(d.mlp_bias);
  BlockSource b;
  b.attention_norm = w.norm("input_layernorm", hidden, Bias::no);
  b.attention.in = uninterleaved(attn.linear("q_proj", d.query_size(), hidden, in), interleaved,
                                 d.num_attention_heads, d.head_dim);
  b.attention.in
      .append(uninterleaved(attn.linear("k_proj", d.key_value_size(), hidden, in), interleaved,
                            d.num_key_value_heads, d.head_dim))
      .append(attn.linear("v_proj", d.key_value_size(), hidden, in));
  if (d.query_key_norm) {
    b.attention.query_norm = attn.norm("q_norm", d.head_dim, Bias::no);
    b.attention.key_norm = attn.norm("k_norm", d.head_dim, Bias::no);
  }
  b.attention.out = attn.linear("o_proj", hidden, d.query_size(), out);
  b.feed_forward_norm = w.norm("post_attention_layernorm", hidden, Bias::no);
  b.feed_forward.gate = mlp.linear("gate_proj", d.intermediate_size, hidden, ffn);
  b.feed_forward.up = mlp.linear("up_proj", d.intermediate_size, hidden, ffn);
  b.feed_forward.down = mlp.linear("down_proj", hidden, d.intermediate_size, ffn);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const bool interleaved = root.is_gguf() && (c.model_type == "llama" || c.model_type == "smollm3");
  const WeightBinder w = root.scope_with("norm.weight", {"model", "transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("layers", i), d, interleaved));
  }
  m.decoder.final_norm = w.norm("norm", d.hidden_size, Bias::no);
  bind_decoder_end(root, c, m, "score");
  return m;
}

GgufLayout gguf(const std::string& architecture) {
  GgufLayout layout{{architecture}, architecture, {}, {}};
  layout.fields(
      {"num_hidden_layers=block_count", "hidden_size=embedding_length",
       "intermediate_size=feed_forward_length", "num_attention_heads=attention.head_count",
       "num_key_value_heads=attention.head_count_kv", "head_dim=attention.key_length",
       "max_position_embeddings=context_length", "rms_norm_eps=attention.layer_norm_rms_epsilon",
       "rope_theta=rope.freq_base", "vocab_size=vocab_size"});
  layout.names("", "",
               {"model.embed_tokens=token_embd", "model.norm=output_norm", "lm_head=output"});
  return layout.names(
      "model.layers.{}.", "blk.{}.",
      {"input_layernorm=attn_norm", "self_attn.q_proj=attn_q", "self_attn.k_proj=attn_k",
       "self_attn.v_proj=attn_v", "self_attn.o_proj=attn_output", "self_attn.q_norm=attn_q_norm",
       "self_attn.k_norm=attn_k_norm", "post_attention_layernorm=ffn_norm",
       "mlp.gate_proj=ffn_gate", "mlp.up_proj=ffn_up", "mlp.down_proj=ffn_down"});
}

}  // namespace llama

ModelFamily llama_family() {
  using namespace llama;
  return {{"llama", "mistral"}, read_config,   bind_weights,
          decoder_heads(),      gguf("llama"), {{"model.embed_tokens"}}};
}
ModelFamily smollm3_family() {
  using namespace llama;
  return {{"smollm3"},     read_config,     bind_weights,
          decoder_heads(), gguf("smollm3"), {{"model.embed_tokens"}}};
}
ModelFamily qwen2_family() {
  using namespace llama;
  return {{"qwen2"},       read_config,   bind_weights,
          decoder_heads(), gguf("qwen2"), {{"model.embed_tokens"}}};
}
ModelFamily qwen3_family() {
  using namespace llama;
  return {{"qwen3"},       read_config,   bind_weights,
          decoder_heads(), gguf("qwen3"), {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
