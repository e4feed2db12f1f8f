// Nomic BERT (arXiv:2402.01613): BERT without biases, with rotated queries and keys and gated
// feed-forward. Published files have the names of the code that comes with them, newer ones those
// of the reference: transformers modeling_nomic_bert.py.
#include <algorithm>

#include "families/bert_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace nomic_bert {  // the names of all family files are alike

// What the code beside the published files could do and no published file asks for.
void refuse_variants(const ConfigReader& json) {
  json.require("prenorm", false, "norms stand after the sublayers");
  json.require("causal", false, "supported: an encoder");
  json.require("parallel_block", false, "sublayers run one after another");
  json.require("use_rms_norm", false, "supported: layer norms");
  json.require("qkv_proj_bias", false, "projections have no biases");
  json.require("mlp_fc1_bias", false, "feed-forward has no biases");
  json.require("mlp_fc2_bias", false, "feed-forward has no biases");
  json.require("rotary_emb_interleaved", false, "pairs (i, i + dim/2) are rotated");
  json.require("rotary_emb_scale_base", nullptr, "scaling by distance is not supported");
  json.require("scale_attn_by_inverse_layer_idx", false, "all layers scale alike");
  json.require("scale_attn_weights", true, "scores are scaled");
  json.require("num_experts", 0, "mixtures of experts are not supported");
}

Activation read_activation(const ConfigReader& json) {
  if (!json.has("activation_function")) return json.activation("hidden_act", "silu");
  const std::string name = json.text("activation_function", "");
  if (name == "swiglu") return Activation::silu;
  if (name == "geglu") return Activation::gelu;
  json.unsupported("activation_function", "supported: swiglu, geglu");
}

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"n_embd", "hidden_size"},
                                               {"n_head", "num_attention_heads"},
                                               {"n_layer", "num_hidden_layers"},
                                               {"n_inner", "intermediate_size"},
                                               {"n_positions", "max_position_embeddings"},
                                               {"layer_norm_epsilon", "layer_norm_eps"},
                                               {"rotary_emb_base", "rope_theta"},
                                               {"rotary_emb_fraction", "partial_rotary_factor"}});
  refuse_variants(json);
  TransformerConfig c = json.common({{}, {}, 0, {}});
  c.kind = ModelKind::encoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  c.type_vocab_size = json.size("type_vocab_size", 2);
  StackConfig& e = c.encoder;
  e.num_hidden_layers = json.size("num_hidden_layers");
  e.hidden_size = json.size("hidden_size");
  e.intermediate_size = json.size("intermediate_size");
  json.read_heads("num_attention_heads", e);
  json.require("head_dim", e.head_dim, "supported: hidden_size / num_attention_heads");
  e.max_position_embeddings = json.size("max_position_embeddings", 2048);
  e.norm_eps = json.number("layer_norm_eps", 1e-12);
  set_norm_placement(NormPlacement::post, e);
  e.embedding_norm = true;
  e.hidden_act = read_activation(json);
  e.gated = true;
  e.positions = read_rotary(json, e.head_dim, e.max_position_embeddings, {.theta = 1000.0});
  if (json.has("rotary_scaling_factor")) {  // longer texts have other frequencies
    e.max_position_embeddings =
        std::min(e.max_position_embeddings, json.size("max_trained_positions", 2048));
  }
  return c;
}

BlockSource bind_published_block(const WeightBinder& w, const StackConfig& e) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  BlockSource b;
  b.attention.in = w.linear("attn.Wqkv", 3 * hidden, hidden);
  b.attention.out = w.linear("attn.out_proj", hidden, hidden);
  b.attention_norm = w.norm("norm1", hidden, Bias::yes);
  b.feed_forward.gate = w.linear("mlp.fc12", inner, hidden);
  b.feed_forward.up = w.linear("mlp.fc11", inner, hidden);
  b.feed_forward.down = w.linear("mlp.fc2", hidden, inner);
  b.feed_forward_norm = w.norm("norm2", hidden, Bias::yes);
  return b;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& e) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  BlockSource b;
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}) {
    b.attention.in.append(w.linear(name, hidden, hidden));
  }
  b.attention.out = w.linear("self_attn.o_proj", hidden, hidden);
  b.attention_norm = w.norm("post_attention_layernorm", hidden, Bias::yes);
  b.feed_forward.gate = w.linear("mlp.gate_proj", inner, hidden);
  b.feed_forward.up = w.linear("mlp.up_proj", inner, hidden);
  b.feed_forward.down = w.linear("mlp.down_proj", hidden, inner);
  b.feed_forward_norm = w.norm("post_mlp_layernorm", hidden, Bias::yes);
  return b;
}

StackSource bind_encoder(const WeightBinder& w, const TransformerConfig& c,
                         const FileTensor* tokens) {
  const StackConfig& e = c.encoder;
  const bool published = w.has("emb_ln.weight");
  StackSource s;
  s.tokens = tokens;
  s.types = w.matrix("embeddings.token_type_embeddings.weight", c.type_vocab_size, e.hidden_size);
  s.embedding_norm =
      w.norm(published ? "emb_ln" : "embeddings.LayerNorm", e.hidden_size, Bias::yes);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    s.blocks.push_back(published ? bind_published_block(w.scope("encoder.layers", i), e)
                                 : bind_block(w.scope("layers", i), e));
  }
  return s;
}

HeadSource bind_head(const WeightBinder& root, const WeightBinder& w, const TransformerConfig& c,
                     const FileTensor* tokens) {
  switch (c.head) {
    case HeadKind::masked_lm:
      return bind_transformed_lm_head(
          root.scope("cls.predictions"), c, tokens,
          {"transform.dense", "transform.layer_norm", "decoder", c.encoder.hidden_act});
    case HeadKind::sequence_classification: {
      HeadSource head = bind_bert_pooler(w, c.encoder.hidden_size);
      head.out = bind_labels(root, "classifier", c.encoder.hidden_size, c);
      return head;
    }
    default:
      return bind_token_head(root, c);
  }
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w =
      root.scope_with("embeddings.token_type_embeddings.weight", {"nomic_bert", "bert", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "cls.predictions.decoder");
  m.encoder = bind_encoder(w, c, tokens);
  m.head = bind_head(root, w, c, tokens);
  return m;
}

}  // namespace nomic_bert

ModelFamily nomic_bert_family() {
  using namespace nomic_bert;
  return {{"nomic_bert"},
          read_config,
          bind_weights,
          {HeadKind::masked_lm, HeadKind::sequence_classification, HeadKind::token_classification},
          {},
          {{"nomic_bert.embeddings.word_embeddings"},
           "cls.predictions.decoder",
           "cls.predictions.bias"}};
}

}  // namespace llm::detail
