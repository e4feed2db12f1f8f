// GPT (Radford et al. 2018): post-norm decoder, learned positions, fused query-key-value stored
// transposed. Reference: transformers modeling_openai.py.
#include "families/heads.hpp"

namespace llm::detail {
namespace gpt {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"max_position_embeddings", "n_positions"},
                                               {"hidden_size", "n_embd"},
                                               {"num_attention_heads", "n_head"},
                                               {"num_hidden_layers", "n_layer"}});
  TransformerConfig c = json.common();
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("n_layer", 12);
  d.hidden_size = json.size("n_embd", 768);
  d.intermediate_size = 4 * d.hidden_size;
  json.read_heads("n_head", d);
  d.max_position_embeddings = json.size("n_positions", 512);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.norm_placement = NormPlacement::post;
  d.final_norm = false;
  d.positions = LearnedPositions{};
  d.causal = true;
  const std::string function = json.text("afn", "gelu");
  if (function != "gelu" && function != "relu" && function != "silu" && function != "swish") {
    json.unsupported("afn", "supported: gelu, relu, silu, swish");
  }
  // Its "gelu" is the tanh form.
  d.hidden_act = function == "gelu" ? Activation::gelu_tanh : json.activation("afn", "gelu");
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  BlockSource b;
  b.attention.in = w.linear_transposed("attn.c_attn", 3 * hidden, hidden, Bias::yes);
  b.attention.out = w.linear_transposed("attn.c_proj", hidden, hidden, Bias::yes);
  b.attention_norm = w.norm("ln_1", hidden, Bias::yes);
  b.feed_forward.up = w.linear_transposed("mlp.c_fc", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear_transposed("mlp.c_proj", hidden, inner, Bias::yes);
  b.feed_forward_norm = w.norm("ln_2", hidden, Bias::yes);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("positions_embed.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("tokens_embed"), "lm_head");
  m.decoder.positions =
      w.matrix("positions_embed.weight", d.max_position_embeddings, d.hidden_size);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("h", i), d));
  }
  bind_decoder_end(root, c, m);
  return m;
}

}  // namespace gpt

ModelFamily gpt_family() {
  using namespace gpt;
  return {{"openai-gpt"},
          read_config,
          bind_weights,
          {HeadKind::language_model, HeadKind::sequence_classification},
          {},
          {{"transformer.tokens_embed"}, "lm_head", {}, {"c_attn", "c_proj", "c_fc"}}};
}

}  // namespace llm::detail
