// OPT (arXiv:2205.01068): decoder with learned positions, ReLU, and norms before each sublayer, or
// after it in the 350M model. Reference: transformers modeling_opt.py.
#include "families/fairseq_layers.hpp"
#include "families/heads.hpp"

namespace llm::detail {
namespace opt {  // the names of all family files are alike

constexpr std::int64_t position_offset = 2;

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({2, 2, 1, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_hidden_layers");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = json.size("ffn_dim");
  json.read_heads("num_attention_heads", d);
  d.max_position_embeddings = json.size("max_position_embeddings", 2048);
  const bool before = json.flag("do_layer_norm_before", true);
  d.norm_placement = before ? NormPlacement::pre : NormPlacement::post;
  d.final_norm = before && !json.flag("_remove_final_layer_norm", false);
  d.positions = LearnedPositions{position_offset, {}};
  d.causal = true;
  d.hidden_act = json.activation("activation_function", "relu");
  d.attention_bias = d.attention_out_bias = d.mlp_bias = json.flag("enable_bias", true);
  json.require("layer_norm_elementwise_affine", true, "norms without weights are not supported");
  json.require("word_embed_proj_dim", d.hidden_size,
               "embeddings of another width than the layers are not supported");
  return c;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("embed_positions.weight",
                                         {"model.decoder", "transformer.decoder", "decoder", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "lm_head");
  m.decoder.positions = w.matrix("embed_positions.weight",
                                 d.max_position_embeddings + position_offset, d.hidden_size);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_fairseq_block(w.scope("layers", i), d));
  }
  if (d.final_norm) m.decoder.final_norm = w.norm("final_layer_norm", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m);
  return m;
}

}  // namespace opt

ModelFamily opt_family() {
  using namespace opt;
  return {
      {"opt"},
      read_config,
      bind_weights,
      {HeadKind::language_model, HeadKind::sequence_classification, HeadKind::question_answering},
      {},
      {{"model.decoder.embed_tokens"}}};
}

}  // namespace llm::detail
