// GPT-NeoX (arXiv:2204.06745; Pythia, Dolly): decoder whose attention and feed-forward read the
// same stream, each through a norm of its own, or one after the other; heads are rotated in part.
// Reference: transformers modeling_gpt_neox.py.
#include "families/fused_layouts.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace gpt_neox {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({0, 2, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_hidden_layers");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = json.size("intermediate_size");
  json.read_heads("num_attention_heads", d);
  d.max_position_embeddings = json.size("max_position_embeddings", 2048);
  d.norm_eps = json.number("layer_norm_eps", 1e-5);
  d.parallel_sublayers = json.flag("use_parallel_residual", true);
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.partial_rotary_factor = 0.25,
                             .may_be_partial = true,
                             .theta_name = "rotary_emb_base",
                             .partial_name = "rotary_pct"});
  d.causal = true;
  d.hidden_act = json.activation("hidden_act", "gelu");
  d.attention_bias = json.flag("attention_bias", true);
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  const Bias bias = d.attention_bias ? Bias::yes : Bias::no;
  BlockSource b;
  b.attention_norm = w.norm("input_layernorm", hidden, Bias::yes);
  b.attention.in = w.linear("attention.query_key_value", 3 * hidden, hidden, bias);
  if (!w.is_gguf()) b.attention.in = unfused_heads(std::move(b.attention.in), d);
  b.attention.out = w.linear("attention.dense", hidden, hidden, bias);
  b.feed_forward_norm = w.norm("post_attention_layernorm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("mlp.dense_h_to_4h", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("mlp.dense_4h_to_h", hidden, inner, Bias::yes);
  return b;
}

// The LM head is `embed_out` in the published files, `lm_head` in some newer ones.
ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w =
      root.scope_with("final_layer_norm.weight", {"gpt_neox", "transformer", ""});
  const char* head = root.has("lm_head.weight") ? "lm_head" : "embed_out";
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_in"), head);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("layers", i), d));
  }
  m.decoder.final_norm = w.norm("final_layer_norm", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m, {.lm_head = head});
  return m;
}

GgufLayout gguf() {
  GgufLayout layout{{"gptneox"}, "gpt_neox", {}, {}};
  layout.complete = [](const WeightStore&, Json& config) {
    complete_partial_rotary(config, "rotary_pct");
  };
  layout.fields(
      {"num_hidden_layers=block_count", "hidden_size=embedding_length",
       "intermediate_size=feed_forward_length", "num_attention_heads=attention.head_count",
       "max_position_embeddings=context_length", "layer_norm_eps=attention.layer_norm_epsilon",
       "use_parallel_residual=use_parallel_residual", "rotary_emb_base=rope.freq_base",
       "rope_dimension_count=rope.dimension_count"});
  layout.names("", "",
               {"gpt_neox.embed_in=token_embd", "gpt_neox.final_layer_norm=output_norm",
                "embed_out=output"});
  return layout.names("gpt_neox.layers.{}.", "blk.{}.",
                      {"input_layernorm=attn_norm", "attention.query_key_value=attn_qkv",
                       "attention.dense=attn_output", "post_attention_layernorm=ffn_norm",
                       "mlp.dense_h_to_4h=ffn_up", "mlp.dense_4h_to_h=ffn_down"});
}

}  // namespace gpt_neox

ModelFamily gpt_neox_family() {
  using namespace gpt_neox;
  return {{"gpt_neox"},    read_config, bind_weights,
          decoder_heads(), gguf(),      {{"gpt_neox.embed_in"}, "embed_out"}};
}

}  // namespace llm::detail
