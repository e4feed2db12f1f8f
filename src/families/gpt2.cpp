// GPT-2 (Radford et al. 2019): pre-norm decoder, layer norm, learned positions, fused
// query-key-value stored transposed (Conv1D). Reference: transformers modeling_gpt2.py.
#include "families/heads.hpp"

namespace llm::detail {
namespace gpt2 {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"max_position_embeddings", "n_positions"},
                                               {"hidden_size", "n_embd"},
                                               {"num_attention_heads", "n_head"},
                                               {"num_hidden_layers", "n_layer"}});
  TransformerConfig c = json.common({50256, 50256, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  json.require("add_cross_attention", false, "a GPT-2 with cross-attention is not supported");
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("n_layer");
  d.hidden_size = json.size("n_embd");
  d.intermediate_size = json.size("n_inner", 4 * d.hidden_size);
  json.read_heads("n_head", d);
  d.max_position_embeddings = json.size("n_positions", 1024);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.positions = LearnedPositions{};
  if (!json.flag("scale_attn_weights", true)) d.attention_scale = 1.0;
  d.scale_attn_by_inverse_layer_idx = json.flag("scale_attn_by_inverse_layer_idx", false);
  d.causal = true;
  d.hidden_act = json.activation("activation_function", "gelu_new");
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  BlockSource b;
  b.attention_norm = w.norm("ln_1", hidden, Bias::yes);
  b.attention.in = w.linear_transposed("attn.c_attn", 3 * hidden, hidden, Bias::yes);
  b.attention.out = w.linear_transposed("attn.c_proj", hidden, hidden, Bias::yes);
  b.feed_forward_norm = w.norm("ln_2", hidden, Bias::yes);
  b.feed_forward.up = w.linear_transposed("mlp.c_fc", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear_transposed("mlp.c_proj", hidden, inner, Bias::yes);
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

GgufLayout gguf() {
  GgufLayout layout{{"gpt2"}, "gpt2", {}, {}};
  layout.fields({"n_layer=block_count", "n_embd=embedding_length", "n_inner=feed_forward_length",
                 "n_head=attention.head_count", "n_positions=context_length",
                 "layer_norm_epsilon=attention.layer_norm_epsilon"});
  layout.names("", "",
               {"transformer.wte=token_embd", "transformer.wpe=position_embd",
                "transformer.ln_f=output_norm", "lm_head=output"});
  return layout.names("transformer.h.{}.", "blk.{}.",
                      {"ln_1=attn_norm", "attn.c_attn=attn_qkv", "attn.c_proj=attn_output",
                       "ln_2=ffn_norm", "mlp.c_fc=ffn_up", "mlp.c_proj=ffn_down"});
}

}  // namespace gpt2

ModelFamily gpt2_family() {
  using namespace gpt2;
  return {{"gpt2"},     read_config,
          bind_weights, decoder_heads(),
          gguf(),       {{"transformer.wte"}, "lm_head", {}, {"c_attn", "c_proj", "c_fc"}}};
}

}  // namespace llm::detail
