// LLaMA (arXiv:2302.13971, 2407.21783): pre-norm decoder, RMS norm, rotary positions, gated SiLU
// feed-forward, grouped-query attention; Mistral (arXiv:2310.06825: windows), Qwen2
// (arXiv:2407.10671: biases, windows), Qwen3 (arXiv:2505.09388: norms of queries and keys) and
// SmolLM3 (layers without positions). Reference: transformers
// modeling_{llama,mistral,qwen2,qwen3,smollm3}.py and modeling_rope_utils.py.
#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
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
  d = read_llama_stack(json, {.num_key_value_heads = llama     ? 0
                                                     : mistral ? 8
                                                     : smollm3 ? 4
                                                               : 32,
                              .head_dim = json.is_any({"qwen3"}) ? 128 : 0,
                              .max_position_embeddings = llama     ? 2048
                                                         : mistral ? 4096 * 32
                                                                   : 32768});
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.theta = smollm3 ? 2000000.0 : 10000.0});
  read_biases(json, d);
  d.query_key_norm = json.is_any({"qwen3"});
  d.rotary_layers = read_rotary_layers(json, d.num_hidden_layers);
  d.attention_window = read_windows(json, d);
  return c;
}

template <bool interleaved>
BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  return bind_llama_block(w, d, interleaved);
}

// GGUF files of LLaMA and SmolLM3 interleave the halves of each query and key head.
ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const bool interleaved = root.is_gguf() && (c.model_type == "llama" || c.model_type == "smollm3");
  return bind_llama_model(root, c, interleaved ? bind_block<true> : bind_block<false>,
                          bind_llama_norm);
}

GgufLayout gguf(const std::string& architecture) {
  return with_llama_names({{architecture}, architecture, {}, {}});
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
