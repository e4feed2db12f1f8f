// Decoders with LLaMA's names but layer norms, and heads that are rotated in part: StableLM
// (sublayers one after the other, or side by side), Nemotron (arXiv:2402.16819: norms that store
// their weights minus 1, squared ReLU) and StarCoder 2 (arXiv:2402.19173: biases, a window).
// Reference: transformers modeling_{stablelm,nemotron,starcoder2}.py.
#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace stablelm {  // the names of all family files are alike

void read_stablelm(const ConfigReader& json, StackConfig& d) {
  d.norm_eps = json.number("layer_norm_eps", 1e-5);
  d.attention_bias = json.flag("use_qkv_bias", false);
  d.parallel_sublayers = json.flag("use_parallel_residual", false);
  json.require("qk_layernorm", false, "norms of queries and keys are not supported");
}

void read_nemotron(const ConfigReader& json, StackConfig& d) {
  d.norm_eps = json.number("norm_eps", 1e-5);
  d.attention_bias = d.attention_out_bias = json.flag("attention_bias", false);
  d.mlp_bias = json.flag("mlp_bias", false);
  d.gated = false;
}

void read_starcoder2(const ConfigReader& json, StackConfig& d) {
  d.norm_eps = json.number("norm_epsilon", 1e-5);
  d.attention_bias = d.attention_out_bias = d.mlp_bias = json.flag("use_bias", true);
  d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 0, 0), 0);
  d.gated = false;
}

TransformerConfig read_config(const ConfigReader& json) {
  const bool stable = json.is_any({"stablelm"}), star = json.is_any({"starcoder2"});
  TransformerConfig c = json.common(stable ? SpecialTokens{0, 0, {}, {}}
                                    : star ? SpecialTokens{50256, 50256, {}, {}}
                                           : SpecialTokens{2, 3, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", star);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, {.num_key_value_heads = stable ? 32
                                                     : star ? 2
                                                            : 0,
                              .max_position_embeddings = 4096,
                              .hidden_act = stable ? "silu"
                                            : star ? "gelu_pytorch_tanh"
                                                   : "relu2"});
  d.norm = NormKind::layer_norm;
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.partial_rotary_factor = stable ? 0.25
                                                      : star ? 1.0
                                                             : 0.5,
                             .may_be_partial = !star});
  stable ? read_stablelm(json, d) : star ? read_starcoder2(json, d) : read_nemotron(json, d);
  return c;
}

template <int offset>
NormSource bind_norm(const WeightBinder& w, std::string_view name, std::int64_t size) {
  NormSource norm = w.norm(name, size, Bias::yes);
  norm.offset = w.is_gguf() ? 0 : offset;
  return norm;
}

BlockSource bind_stablelm_block(const WeightBinder& w, const StackConfig& d) {
  BlockSource b;
  b.attention_norm = bind_norm<0>(w, "input_layernorm", d.hidden_size);
  b.attention = bind_llama_attention(w.scope("self_attn"), d, false);
  if (!d.parallel_sublayers) {
    b.feed_forward_norm = bind_norm<0>(w, "post_attention_layernorm", d.hidden_size);
  }
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), d);
  return b;
}

template <int offset>
BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const WeightBinder mlp = w.scope("mlp");
  const bool nemotron = offset == 1;
  const Bias bias = w.is_gguf() ? Bias::if_present : d.mlp_bias ? Bias::yes : Bias::no;
  BlockSource b;
  b.attention_norm = bind_norm<offset>(w, "input_layernorm", d.hidden_size);
  b.attention = bind_llama_attention(w.scope("self_attn"), d, false);
  b.feed_forward_norm = bind_norm<offset>(w, "post_attention_layernorm", d.hidden_size);
  b.feed_forward.up =
      mlp.linear(nemotron ? "up_proj" : "c_fc", d.intermediate_size, d.hidden_size, bias);
  b.feed_forward.down =
      mlp.linear(nemotron ? "down_proj" : "c_proj", d.hidden_size, d.intermediate_size, bias);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  if (c.model_type == "stablelm") {
    return bind_llama_model(root, c, bind_stablelm_block, bind_norm<0>);
  }
  const bool nemotron = c.model_type == "nemotron";
  return bind_llama_model(root, c, nemotron ? bind_block<1> : bind_block<0>,
                          nemotron ? bind_norm<1> : bind_norm<0>);
}

GgufLayout stablelm_gguf() {
  GgufLayout layout{{"stablelm"}, "stablelm", {}, {}};
  layout.complete = [](const WeightStore& store, Json& config) {
    config["use_parallel_residual"] = store.find("blk.0.ffn_norm.weight") == nullptr;
    config["qk_layernorm"] = store.find("blk.0.attn_q_norm.weight") != nullptr;
    complete_partial_rotary(config);
  };
  layout.fields(
      {"layer_norm_eps=attention.layer_norm_epsilon", "rope_dimension_count=rope.dimension_count"});
  return with_llama_names(std::move(layout));
}

GgufLayout starcoder2_gguf() {
  GgufLayout layout{{"starcoder2"}, "starcoder2", {}, {}};
  layout.fields({"norm_epsilon=attention.layer_norm_epsilon"});
  layout.names("model.layers.{}.", "blk.{}.", {"mlp.c_fc=ffn_up", "mlp.c_proj=ffn_down"});
  return with_llama_names(std::move(layout));
}

}  // namespace stablelm

ModelFamily stablelm_family() {
  using namespace stablelm;
  return {{"stablelm"},        read_config,     bind_weights,
          classifying_heads(), stablelm_gguf(), {{"model.embed_tokens"}}};
}
ModelFamily starcoder2_family() {
  using namespace stablelm;
  return {{"starcoder2"},      read_config,       bind_weights,
          classifying_heads(), starcoder2_gguf(), {{"model.embed_tokens"}}};
}
ModelFamily nemotron_family() {
  using namespace stablelm;
  return {{"nemotron"}, read_config, bind_weights, decoder_heads(), {}, {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
