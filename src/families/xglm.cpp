// XGLM (arXiv:2112.10668): decoder with sinusoidal positions and the names of fairseq. Reference:
// transformers modeling_xglm.py.
#include <cmath>

#include "families/fairseq_layers.hpp"
#include "families/heads.hpp"

namespace llm::detail {
namespace xglm {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& given) {
  const ConfigReader json = given.with_aliases({{"hidden_size", "d_model"},
                                                {"num_attention_heads", "attention_heads"},
                                                {"num_hidden_layers", "num_layers"}});
  TransformerConfig c = json.common({0, 2, 1, 2});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  json.require("add_cross_attention", false, "a model with cross-attention is not supported");
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_layers");
  d.hidden_size = json.size("d_model", 1024);
  d.intermediate_size = json.size("ffn_dim");
  json.read_heads("attention_heads", d);
  d.max_position_embeddings = json.size("max_position_embeddings", 2048);
  d.positions = SinusoidalPositions{
      .offset = 2, .reaches_last_frequency = true, .zero_row = c.pad_token_id.value_or(-1)};
  if (json.flag("scale_embedding", true)) {
    d.embedding_scale = std::sqrt(static_cast<double>(d.hidden_size));
  }
  d.causal = true;
  d.attention_bias = true;
  d.hidden_act = json.activation("activation_function", "gelu");
  return c;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("layer_norm.weight", {"model", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_fairseq_block(w.scope("layers", i), d));
  }
  m.decoder.final_norm = w.norm("layer_norm", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m);
  return m;
}

}  // namespace xglm

ModelFamily xglm_family() {
  using namespace xglm;
  return {{"xglm"},     read_config,
          bind_weights, {HeadKind::language_model},
          {},           {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
