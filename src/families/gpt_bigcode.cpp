// GPT-BigCode (SantaCoder, arXiv:2301.03988; StarCoder, arXiv:2305.06161): a GPT-2 with one head of
// keys and values for all queries. Reference: transformers modeling_gpt_bigcode.py.
#include "families/fused_layouts.hpp"
#include "families/heads.hpp"

namespace llm::detail {
namespace gpt_bigcode {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"max_position_embeddings", "n_positions"},
                                               {"hidden_size", "n_embd"},
                                               {"num_attention_heads", "n_head"},
                                               {"num_hidden_layers", "n_layer"}});
  TransformerConfig c = json.common({50256, 50256, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  json.require("add_cross_attention", false, "a model with cross-attention is not supported");
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("n_layer");
  d.hidden_size = json.size("n_embd");
  d.intermediate_size = json.size("n_inner", 4 * d.hidden_size);
  json.read_heads("n_head", d);
  if (json.flag("multi_query", true)) d.num_key_value_heads = 1;
  d.max_position_embeddings = json.size("n_positions", 1024);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.positions = LearnedPositions{};
  if (!json.flag("scale_attn_weights", true)) d.attention_scale = 1.0;
  d.causal = true;
  d.hidden_act = json.activation("activation_function", "gelu_pytorch_tanh");
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  BlockSource b;
  b.attention_norm = w.norm("ln_1", hidden, Bias::yes);
  b.attention.in =
      w.linear("attn.c_attn", d.query_size() + 2 * d.key_value_size(), hidden, Bias::yes);
  if (d.num_key_value_heads > 1) b.attention.in = unfused_heads(std::move(b.attention.in), d);
  b.attention.out = w.linear("attn.c_proj", hidden, hidden, Bias::yes);
  b.feed_forward_norm = w.norm("ln_2", hidden, Bias::yes);
  b.feed_forward.up = w.linear("mlp.c_fc", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("mlp.c_proj", hidden, inner, Bias::yes);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("wpe.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("wte"), "lm_head");
  m.decoder.positions = w.matrix("wpe.weight", d.max_position_embeddings, d.hidden_size);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("h", i), d));
  }
  m.decoder.final_norm = w.norm("ln_f", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m);
  return m;
}

}  // namespace gpt_bigcode

ModelFamily gpt_bigcode_family() {
  using namespace gpt_bigcode;
  return {{"gpt_bigcode"},     read_config, bind_weights,
          classifying_heads(), {},          {{"transformer.wte"}}};
}

}  // namespace llm::detail
