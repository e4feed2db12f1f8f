// BLOOM (arXiv:2211.05100): pre-norm decoder, norm after the embeddings, ALiBi instead of
// positions, query_key_value fused with rows ordered [head][query|key|value][head_dim]. Reference:
// transformers modeling_bloom.py.
#include "families/alibi_slopes.hpp"
#include "families/fused_layouts.hpp"
#include "families/heads.hpp"

namespace llm::detail {
namespace bloom {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"num_hidden_layers", "n_layer"},
                                               {"num_attention_heads", "n_head"},
                                               {"n_embed", "hidden_size"}});
  TransformerConfig c = json.common({1, 2, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("n_layer");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = 4 * d.hidden_size;
  json.read_heads("n_head", d);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.embedding_norm = true;
  d.residual_from_norm = json.flag("apply_residual_connection_post_layernorm", false);
  d.positions = AlibiPositions{alibi_slopes(d.num_attention_heads)};
  d.causal = true;
  d.hidden_act = Activation::gelu_tanh;
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  BlockSource b;
  b.attention_norm = w.norm("input_layernorm", hidden, Bias::yes);
  b.attention.in = w.linear("self_attention.query_key_value", 3 * hidden, hidden, Bias::yes);
  if (!w.is_gguf()) b.attention.in = unfused_heads(std::move(b.attention.in), d);
  b.attention.out = w.linear("self_attention.dense", hidden, hidden, Bias::yes);
  b.feed_forward_norm = w.norm("post_attention_layernorm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("mlp.dense_h_to_4h", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("mlp.dense_4h_to_h", hidden, inner, Bias::yes);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("ln_f.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("word_embeddings"), "lm_head");
  m.decoder.embedding_norm = w.norm("word_embeddings_layernorm", d.hidden_size, Bias::yes);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("h", i), d));
  }
  m.decoder.final_norm = w.norm("ln_f", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m);
  return m;
}

GgufLayout gguf() {
  GgufLayout layout{{"bloom"}, "bloom", {}, {}};
  layout.fields({"n_layer=block_count", "hidden_size=embedding_length",
                 "n_head=attention.head_count", "layer_norm_epsilon=attention.layer_norm_epsilon"});
  layout.names("", "",
               {"transformer.word_embeddings=token_embd",
                "transformer.word_embeddings_layernorm=token_embd_norm",
                "transformer.ln_f=output_norm", "lm_head=output"});
  return layout.names("transformer.h.{}.", "blk.{}.",
                      {"input_layernorm=attn_norm", "self_attention.query_key_value=attn_qkv",
                       "self_attention.dense=attn_output", "post_attention_layernorm=ffn_norm",
                       "mlp.dense_h_to_4h=ffn_up", "mlp.dense_4h_to_h=ffn_down"});
}

}  // namespace bloom

ModelFamily bloom_family() {
  using namespace bloom;
  return {{"bloom"},       read_config, bind_weights,
          decoder_heads(), gguf(),      {{"transformer.word_embeddings"}}};
}

}  // namespace llm::detail
