// Falcon (arXiv:2311.16867): decoder whose attention and feed-forward mostly read the same stream,
// with one head of keys and values (7B), several (the new architecture: 11B, 40B, 180B), or as many
// as queries and ALiBi instead of rotations (RW). Reference: transformers modeling_falcon.py.
#include "families/alibi_slopes.hpp"
#include "families/fused_layouts.hpp"
#include "families/heads.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace falcon {  // the names of all family files are alike

// How many heads have keys and values of their own.
std::int64_t read_groups(const ConfigReader& json, std::int64_t heads) {
  if (json.flag("new_decoder_architecture", false)) return json.size("num_kv_heads", heads);
  return json.flag("multi_query", true) ? 1 : heads;
}

void read_positions(const ConfigReader& json, StackConfig& d) {
  if (!json.flag("alibi", false)) {
    d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings, {});
    return;
  }
  std::vector<double> slopes = alibi_slopes(d.num_attention_heads);
  for (double& slope : slopes) slope *= d.attention_scale;  // the bias is scaled with the scores
  d.positions = AlibiPositions{std::move(slopes)};
}

TransformerConfig read_config(const ConfigReader& given) {
  const ConfigReader json = given.with_aliases({{"n_embed", "hidden_size"},
                                                {"n_layer", "num_hidden_layers"},
                                                {"n_head", "num_attention_heads"},
                                                {"n_head_kv", "num_kv_heads"}});
  TransformerConfig c = json.common({11, 11, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_hidden_layers");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = json.size("ffn_hidden_size", 4 * d.hidden_size);
  json.read_heads("num_attention_heads", d);
  d.num_key_value_heads = read_groups(json, d.num_attention_heads);
  d.max_position_embeddings = json.size("max_position_embeddings", 2048);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.parallel_sublayers = json.flag("parallel_attn", true);
  if (json.flag("new_decoder_architecture", false)) {
    json.require("parallel_attn", true, "the new architecture has its sublayers side by side");
  }
  d.causal = true;
  read_positions(json, d);
  d.hidden_act = json.activation("activation", "gelu");
  d.attention_bias = d.attention_out_bias = d.mlp_bias = json.flag("bias", false);
  return c;
}

// Rows of the fused projection: all queries, then key and value (one head of each), or mixed.
LinearSource unfused(LinearSource source, const StackConfig& d) {
  if (source.empty() || d.num_key_value_heads == 1) return source;
  return unfused_groups(std::move(source), d);
}

// Whether both sublayers have norms of their own (num_ln_in_parallel_attn) is seen by the tensors.
BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  const Bias bias = w.is_gguf() ? Bias::if_present : d.mlp_bias ? Bias::yes : Bias::no;
  const bool two = w.has("ln_attn.weight") && w.has("ln_mlp.weight");
  BlockSource b;
  b.attention_norm = w.norm(two ? "ln_attn" : "input_layernorm", hidden, Bias::yes);
  if (two) b.feed_forward_norm = w.norm("ln_mlp", hidden, Bias::yes);
  if (!d.parallel_sublayers) {
    b.feed_forward_norm = w.norm("post_attention_layernorm", hidden, Bias::yes);
  }
  b.attention.in = w.linear("self_attention.query_key_value",
                            d.query_size() + 2 * d.key_value_size(), hidden, bias);
  if (!w.is_gguf()) b.attention.in = unfused(std::move(b.attention.in), d);
  b.attention.out = w.linear("self_attention.dense", hidden, d.query_size(), bias);
  b.feed_forward.up = w.linear("mlp.dense_h_to_4h", inner, hidden, bias);
  b.feed_forward.down = w.linear("mlp.dense_4h_to_h", hidden, inner, bias);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("ln_f.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("word_embeddings"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("h", i), d));
  }
  m.decoder.final_norm = w.norm("ln_f", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m);
  return m;
}

// One head of keys and values is the 7B's; converters refuse ALiBi.
void complete(const WeightStore&, Json& config) {
  const Json& groups = config["num_kv_heads"];
  config["new_decoder_architecture"] = groups.is_number_integer() && groups > 1;
}

GgufLayout gguf() {
  GgufLayout layout{{"falcon"}, "falcon", {}, {}, complete};
  layout.fields({"num_hidden_layers=block_count", "hidden_size=embedding_length",
                 "ffn_hidden_size=feed_forward_length", "num_attention_heads=attention.head_count",
                 "num_kv_heads=attention.head_count_kv", "max_position_embeddings=context_length",
                 "layer_norm_epsilon=attention.layer_norm_epsilon", "rope_theta=rope.freq_base"});
  layout.names(
      "", "",
      {"transformer.word_embeddings=token_embd", "transformer.ln_f=output_norm", "lm_head=output"});
  return layout.names(
      "transformer.h.{}.", "blk.{}.",
      {"input_layernorm=attn_norm", "ln_mlp=attn_norm", "ln_attn=attn_norm_2",
       "self_attention.query_key_value=attn_qkv", "self_attention.dense=attn_output",
       "mlp.dense_h_to_4h=ffn_up", "mlp.dense_4h_to_h=ffn_down"});
}

}  // namespace falcon

ModelFamily falcon_family() {
  using namespace falcon;
  return {{"falcon"},      read_config, bind_weights,
          decoder_heads(), gguf(),      {{"transformer.word_embeddings"}}};
}

}  // namespace llm::detail
