// MPT (MosaicML 2023): decoder with ALiBi, norms without biases, and perhaps clipped queries, keys
// and values. Reference: transformers modeling_mpt.py.
#include "families/alibi_slopes.hpp"
#include "families/heads.hpp"

namespace llm::detail {
namespace mpt {  // the names of all family files are alike

void read_attention(const ConfigReader& json, StackConfig& d) {
  json.require("alibi", true, "attention without ALiBi is not supported");
  json.require("alibi_bias_max", 8, "other slopes of ALiBi are not supported");
  json.require("qk_ln", false, "norms of queries and keys are not supported");
  json.require("prefix_lm", false, "attention to the whole of a prefix is not supported");
  json.require("rope", false, "rotary positions are not supported");
  json.require("attn_type", "multihead_attention", "only multihead_attention is supported");
  d.clip_qkv = json.number("clip_qkv", 0);
  if (d.clip_qkv < 0) json.reject("clip_qkv", "expected a number that is not negative");
  d.attention_scale = json.number("softmax_scale", d.attention_scale);
}

TransformerConfig read_config(const ConfigReader& given) {
  const ConfigReader json = given.with_aliases({{"hidden_size", "d_model"},
                                                {"num_attention_heads", "n_heads"},
                                                {"num_hidden_layers", "n_layers"}});
  TransformerConfig c = json.common();
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  json.require("no_bias", true, "projections with biases are not supported");
  json.require("logit_scale", nullptr, "a scale of the logits is not supported");
  json.require("expansion_ratio", 4, "feed-forward is 4 times as wide as the model");
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("n_layers");
  d.hidden_size = json.size("d_model", 2048);
  d.intermediate_size = 4 * d.hidden_size;
  json.read_heads("n_heads", d);
  d.max_position_embeddings = json.size("max_seq_len", 2048);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.positions = AlibiPositions{interlaced_alibi_slopes(d.num_attention_heads)};
  d.causal = true;
  d.hidden_act = Activation::gelu;
  read_attention(json.object("attn_config"), d);
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  BlockSource b;
  b.attention_norm = w.norm("norm_1", hidden, Bias::no);
  b.attention.in = w.linear("attn.Wqkv", 3 * hidden, hidden);
  b.attention.out = w.linear("attn.out_proj", hidden, hidden);
  b.feed_forward_norm = w.norm("norm_2", hidden, Bias::no);
  b.feed_forward.up = w.linear("ffn.up_proj", inner, hidden);
  b.feed_forward.down = w.linear("ffn.down_proj", hidden, inner);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("norm_f.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("wte"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("blocks", i), d));
  }
  m.decoder.final_norm = w.norm("norm_f", d.hidden_size, Bias::no);
  bind_decoder_end(root, c, m);
  return m;
}

void complete(const WeightStore&, Json& config) {
  const Json bias = config["alibi_bias_max"];
  config["attn_config"] = {{"alibi", bias.is_number() && bias > 0},
                           {"alibi_bias_max", bias},
                           {"clip_qkv", config["clip_qkv"]}};
}

GgufLayout gguf() {
  GgufLayout layout{{"mpt"}, "mpt", {}, {}, complete};
  layout.fields({"n_layers=block_count", "d_model=embedding_length", "n_heads=attention.head_count",
                 "max_seq_len=context_length", "layer_norm_epsilon=attention.layer_norm_epsilon",
                 "clip_qkv=attention.clamp_kqv", "alibi_bias_max=attention.max_alibi_bias"});
  layout.names("", "",
               {"transformer.wte=token_embd", "transformer.norm_f=output_norm", "lm_head=output"});
  return layout.names("transformer.blocks.{}.", "blk.{}.",
                      {"norm_1=attn_norm", "attn.Wqkv=attn_qkv", "attn.out_proj=attn_output",
                       "norm_2=ffn_norm", "ffn.up_proj=ffn_up", "ffn.down_proj=ffn_down"});
}

}  // namespace mpt

ModelFamily mpt_family() {
  using namespace mpt;
  return {{"mpt"}, read_config, bind_weights, decoder_heads(), gguf(), {{"transformer.wte"}}};
}

}  // namespace llm::detail
