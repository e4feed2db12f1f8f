// Gemma (arXiv:2403.08295): a LLaMA whose norms store their weights minus 1, with scaled embeddings
// and gated GELU; Gemma 2 (arXiv:2408.00118: norms before and after each sublayer, soft caps on
// scores and logits, a window in every other layer) and the text part of Gemma 3 (arXiv:2503.19786:
// norms of queries and keys, five layers with a window and a rotation of their own to one without).
// Reference: transformers modeling_{gemma,gemma2,gemma3}.py.
#include <cmath>

#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace gemma {  // the names of all family files are alike

// A bound of scores or logits; null switches it off.
double read_softcap(const ConfigReader& json, std::string_view name, double otherwise) {
  if (json.has_null(name)) return 0;
  if (!json.has(name)) return otherwise;
  const double cap = json.number(name);
  if (!(cap > 0)) json.reject(name, "expected a positive number or null");
  return cap;
}

// The first files say "gelu" and mean its approximation by tanh.
Activation read_activation(const ConfigReader& json) {
  const bool first = json.is_any({"gemma"});
  const char* name = first ? "hidden_act" : "hidden_activation";
  if (first) {
    json.require("hidden_activation", "gelu_pytorch_tanh", "the model type computes hidden_act");
    if (json.text(name, "gelu") == "gelu") return Activation::gelu_tanh;
  }
  return json.activation(name, "gelu_pytorch_tanh");
}

void read_positions(const ConfigReader& json, StackConfig& d) {
  const std::int64_t reach = d.max_position_embeddings;
  if (!json.is_any({"gemma3_text"})) {
    d.positions = read_rotary(json, d.head_dim, reach, {});
    if (json.is_any({"gemma"})) return;
    d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 4096, 0), 2);
    return;
  }
  d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 4096, 0),
                                          json.size("sliding_window_pattern", 6));
  d.positions = read_layer_rotary(json, "full_attention", json.object("rope_scaling"), d.head_dim,
                                  reach, {.theta = 1000000.0});
  d.window_rotary = read_layer_rotary(json, "sliding_attention", json.object(""), d.head_dim, reach,
                                      {.theta = 10000.0, .theta_name = "rope_local_base_freq"});
}

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({2, 1, 0, {}});
  const bool first = json.is_any({"gemma"}), second = json.is_any({"gemma2"});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, {.num_key_value_heads = first ? 16 : 4,
                              .head_dim = 256,
                              .max_position_embeddings = first || second ? 8192 : 131072,
                              .hidden_act = "gelu"});
  d.hidden_act = read_activation(json);
  d.embedding_scale = std::sqrt(static_cast<double>(d.hidden_size));
  d.attention_bias = d.attention_out_bias = json.flag("attention_bias", false);
  json.require("use_bidirectional_attention", false, "only causal attention is supported");
  if (!first) {
    const double scalar = json.number("query_pre_attn_scalar", 256);
    if (!(scalar > 0)) json.reject("query_pre_attn_scalar", "expected a positive number");
    d.attention_scale = 1.0 / std::sqrt(scalar);
    c.final_logit_softcapping = read_softcap(json, "final_logit_softcapping", second ? 30 : 0);
  }
  if (second) d.attn_logit_softcapping = read_softcap(json, "attn_logit_softcapping", 50);
  d.query_key_norm = json.is_any({"gemma3_text"});
  read_positions(json, d);
  return c;
}

// Converters to GGUF have added the 1.
NormSource bind_norm(const WeightBinder& w, std::string_view name, std::int64_t size) {
  NormSource norm = w.norm(name, size, Bias::no);
  norm.offset = w.is_gguf() ? 0 : 1;
  return norm;
}

BlockSource bind_sublayers(const WeightBinder& w, const StackConfig& d) {
  const WeightBinder attn = w.scope("self_attn");
  BlockSource b;
  b.attention_norm = bind_norm(w, "input_layernorm", d.hidden_size);
  b.attention = bind_llama_attention(attn, d, false);
  if (d.query_key_norm) {
    b.attention.query_norm = bind_norm(attn, "q_norm", d.head_dim);
    b.attention.key_norm = bind_norm(attn, "k_norm", d.head_dim);
  }
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), d);
  return b;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  BlockSource b = bind_sublayers(w, d);
  b.feed_forward_norm = bind_norm(w, "post_attention_layernorm", d.hidden_size);
  return b;
}

// From Gemma 2 on.
BlockSource bind_block_with_four_norms(const WeightBinder& w, const StackConfig& d) {
  BlockSource b = bind_sublayers(w, d);
  b.attention_out_norm = bind_norm(w, "post_attention_layernorm", d.hidden_size);
  b.feed_forward_norm = bind_norm(w, "pre_feedforward_layernorm", d.hidden_size);
  b.feed_forward_out_norm = bind_norm(w, "post_feedforward_layernorm", d.hidden_size);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const bool first = c.model_type == "gemma";
  return bind_llama_model(root, c, first ? bind_block : bind_block_with_four_norms, bind_norm);
}

// What GGUF files of Gemma 2 and 3 leave to the program: the largest model of each, which has
// `largest` layers, scales its queries in another way.
// Soft caps of Gemma 2 that a file leaves out are the usual ones.
template <int largest>
void complete(const WeightStore&, Json& config) {
  const auto number = [&](const char* key) {
    const Json& value = config[key];
    return value.is_number_integer() ? value.get<std::int64_t>() : 0;
  };
  const std::int64_t heads = number("num_attention_heads"), head_dim = number("head_dim");
  const bool is_largest = number("num_hidden_layers") == largest && heads > 0;
  config["query_pre_attn_scalar"] = is_largest     ? number("hidden_size") / heads
                                    : head_dim > 0 ? head_dim
                                                   : 256;
  if (largest != 46) return;
  for (const auto& [name, usual] :
       {std::pair("attn_logit_softcapping", 50.0), std::pair("final_logit_softcapping", 30.0)}) {
    if (config[name].is_null()) config[name] = usual;
  }
}

GgufLayout gguf(const std::string& architecture, const std::string& model_type) {
  GgufLayout layout{{architecture}, model_type, {}, {}};
  if (model_type == "gemma") return with_llama_names(std::move(layout));
  layout.complete = model_type == "gemma2" ? complete<46> : complete<62>;
  layout.fields({"sliding_window=attention.sliding_window",
                 "attn_logit_softcapping=attn_logit_softcapping",
                 "final_logit_softcapping=final_logit_softcapping",
                 "rope_local_base_freq=rope.freq_base_swa"});
  layout.names("model.layers.{}.", "blk.{}.",
               {"post_attention_layernorm=post_attention_norm",
                "pre_feedforward_layernorm=ffn_norm", "post_feedforward_layernorm=post_ffw_norm"});
  return with_llama_names(std::move(layout));
}

}  // namespace gemma

ModelFamily gemma_family() {
  using namespace gemma;
  return {{"gemma"},
          read_config,
          bind_weights,
          classifying_heads(),
          gguf("gemma", "gemma"),
          {{"model.embed_tokens"}}};
}
ModelFamily gemma2_family() {
  using namespace gemma;
  return {{"gemma2"},
          read_config,
          bind_weights,
          classifying_heads(),
          gguf("gemma2", "gemma2"),
          {{"model.embed_tokens"}}};
}
ModelFamily gemma3_family() {
  using namespace gemma;
  return {{"gemma3_text"},
          read_config,
          bind_weights,
          {HeadKind::language_model, HeadKind::sequence_classification},
          gguf("gemma3", "gemma3_text"),
          {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
