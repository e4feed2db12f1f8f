// BioGPT (arXiv:2210.10341): decoder with learned positions and the names of fairseq. Reference:
// transformers modeling_biogpt.py.
#include <cmath>

#include "families/fairseq_layers.hpp"
#include "families/heads.hpp"

namespace llm::detail {
namespace biogpt {  // the names of all family files are alike

constexpr std::int64_t position_offset = 2;

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({0, 2, 1, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_hidden_layers");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = json.size("intermediate_size");
  json.read_heads("num_attention_heads", d);
  d.max_position_embeddings = json.size("max_position_embeddings", 1024);
  d.positions = LearnedPositions{position_offset, {}};
  if (json.flag("scale_embedding", true)) {
    d.embedding_scale = std::sqrt(static_cast<double>(d.hidden_size));
  }
  d.causal = true;
  d.attention_bias = true;
  d.hidden_act = json.activation("hidden_act", "gelu");
  return c;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("embed_positions.weight", {"biogpt", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "output_projection");
  m.decoder.positions = w.matrix("embed_positions.weight",
                                 d.max_position_embeddings + position_offset, d.hidden_size);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_fairseq_block(w.scope("layers", i), d));
  }
  m.decoder.final_norm = w.norm("layer_norm", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m, {.lm_head = "output_projection"});
  return m;
}

}  // namespace biogpt

ModelFamily biogpt_family() {
  using namespace biogpt;
  return {{"biogpt"},          read_config, bind_weights,
          classifying_heads(), {},          {{"biogpt.embed_tokens"}, "output_projection"}};
}

}  // namespace llm::detail
