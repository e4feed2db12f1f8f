// Phi-1 and Phi-2 (arXiv:2306.11644): decoder whose attention and feed-forward read one norm of the
// same stream; heads are rotated in part. Reference: transformers modeling_phi.py.
#include <cmath>

#include "families/heads.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace phi {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({1, 2, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, {.hidden_act = "gelu_new"});
  d.norm = NormKind::layer_norm;
  d.norm_eps = json.number("layer_norm_eps", 1e-5);
  d.parallel_sublayers = true;
  d.gated = false;
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.partial_rotary_factor = 0.5, .may_be_partial = true});
  d.attention_bias = d.attention_out_bias = true;
  d.query_key_norm = json.flag("qk_layernorm", false);
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const WeightBinder attn = w.scope("self_attn"), mlp = w.scope("mlp");
  BlockSource b;
  b.attention_norm = w.norm("input_layernorm", d.hidden_size, Bias::yes);
  b.attention = bind_llama_attention(attn, d, false, "dense");
  if (d.query_key_norm) {
    b.attention.query_norm = attn.norm("q_layernorm", d.head_dim, Bias::yes);
    b.attention.key_norm = attn.norm("k_layernorm", d.head_dim, Bias::yes);
  }
  b.feed_forward.up = mlp.linear("fc1", d.intermediate_size, d.hidden_size, Bias::yes);
  b.feed_forward.down = mlp.linear("fc2", d.hidden_size, d.intermediate_size, Bias::yes);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("final_layernorm.weight", {"model", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("layers", i), d));
  }
  m.decoder.final_norm = w.norm("final_layernorm", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m, {.token_head = "score", .lm_head_bias = Bias::yes});
  return m;
}

GgufLayout gguf() {
  GgufLayout layout{{"phi2"}, "phi", {}, {}};
  layout.complete = [](const WeightStore&, Json& config) { complete_partial_rotary(config); };
  layout.fields(
      {"layer_norm_eps=attention.layer_norm_epsilon", "rope_dimension_count=rope.dimension_count"});
  layout.names("", "", {"model.final_layernorm=output_norm"});
  layout.names("model.layers.{}.", "blk.{}.",
               {"self_attn.dense=attn_output", "mlp.fc1=ffn_up", "mlp.fc2=ffn_down"});
  return with_llama_names(std::move(layout));
}

}  // namespace phi

ModelFamily phi_family() {
  using namespace phi;
  return {
      {"phi"}, read_config, bind_weights, classifying_heads(), gguf(), {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
