#include "families/bert_layers.hpp"

namespace llm::detail {
namespace {

BlockSource bind_block(const WeightBinder& w, const StackConfig& e) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  const WeightBinder self = w.scope("attention.self");
  BlockSource b;
  for (const char* name : {"query", "key", "value"}) {
    b.attention.in.append(self.linear(name, hidden, hidden, Bias::yes));
  }
  b.attention.out = w.linear("attention.output.dense", hidden, hidden, Bias::yes);
  b.attention_norm = w.norm("attention.output.LayerNorm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("intermediate.dense", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("output.dense", hidden, inner, Bias::yes);
  b.feed_forward_norm = w.norm("output.LayerNorm", hidden, Bias::yes);
  return b;
}

}  // namespace

TransformerConfig read_bert_config(const ConfigReader& json, const SpecialTokens& special) {
  TransformerConfig c = json.common(special);
  c.kind = ModelKind::encoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  c.type_vocab_size = json.count("type_vocab_size", 2);
  json.require("is_decoder", false, "used as a decoder this model is not supported");
  json.require("add_cross_attention", false, "cross-attention is not supported in this model");
  json.require("position_embedding_type", "absolute", "supported: absolute");
  StackConfig& e = c.encoder;
  e.num_hidden_layers = json.size("num_hidden_layers");
  e.hidden_size = json.size("hidden_size");
  e.intermediate_size = json.size("intermediate_size");
  json.read_heads("num_attention_heads", e);
  e.max_position_embeddings = json.size("max_position_embeddings", 512);
  e.norm_eps = json.number("layer_norm_eps", 1e-12);
  e.norm_placement = NormPlacement::post;
  e.embedding_norm = true;
  e.final_norm = false;
  e.hidden_act = json.activation("hidden_act", "gelu");
  return c;
}

const FileTensor* bind_output_bias(const WeightBinder& w, const std::string& decoder,
                                   std::int64_t vocab_size) {
  const std::string own = decoder + ".bias";
  return w.vector(w.has(own) ? own : "bias", vocab_size);
}

StackSource bind_bert_encoder(const WeightBinder& w, const TransformerConfig& c,
                              const FileTensor* tokens, std::int64_t position_rows) {
  const StackConfig& e = c.encoder;
  const WeightBinder embeddings = w.scope("embeddings");
  StackSource s;
  s.tokens = tokens;
  s.positions = embeddings.matrix("position_embeddings.weight", position_rows, e.hidden_size);
  if (c.type_vocab_size > 0) {
    s.types = embeddings.matrix("token_type_embeddings.weight", c.type_vocab_size, e.hidden_size);
  }
  s.embedding_norm = embeddings.norm("LayerNorm", e.hidden_size, Bias::yes);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    s.blocks.push_back(bind_block(w.scope("encoder.layer", i), e));
  }
  return s;
}

HeadSource bind_bert_pooler(const WeightBinder& w, std::int64_t hidden) {
  HeadSource pooler;
  pooler.dense = w.linear("pooler.dense", hidden, hidden, Bias::yes);
  pooler.rows = HeadRows::first;
  return pooler;
}

}  // namespace llm::detail
