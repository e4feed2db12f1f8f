#include "families/bert_layers.hpp"

namespace llm::detail {

BlockSource bind_bert_block(const WeightBinder& w, const StackConfig& e, const BertNames& names) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  BlockSource b;
  for (const char* name : {names.query, names.key, names.value}) {
    b.attention.in.append(w.linear(name, hidden, hidden, Bias::yes));
  }
  b.attention.out = w.linear(names.attention_out, hidden, hidden, Bias::yes);
  b.attention_norm = w.norm(names.attention_norm, hidden, Bias::yes);
  b.feed_forward.up = w.linear(names.up, inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear(names.down, hidden, inner, Bias::yes);
  b.feed_forward_norm = w.norm(names.feed_forward_norm, hidden, Bias::yes);
  return b;
}

void set_norm_placement(NormPlacement placement, StackConfig& e) {
  e.norm_placement = placement;
  e.final_norm = placement == NormPlacement::pre;
}

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
  set_norm_placement(NormPlacement::post, e);
  e.embedding_norm = true;
  e.hidden_act = json.activation("hidden_act", "gelu");
  return c;
}

const FileTensor* bind_output_bias(const WeightBinder& w, const std::string& decoder,
                                   std::int64_t vocab_size) {
  const std::string own = decoder + ".bias";
  return w.vector(w.has(own) ? own : "bias", vocab_size);
}

StackSource bind_bert_embeddings(const WeightBinder& w, const TransformerConfig& c,
                                 const FileTensor* tokens, std::int64_t position_rows) {
  const StackConfig& e = c.encoder;
  const WeightBinder embeddings = w.scope("embeddings");
  const std::int64_t width = e.embedding_width();
  StackSource s;
  s.tokens = tokens;
  if (std::holds_alternative<LearnedPositions>(e.positions)) {
    s.positions = embeddings.matrix("position_embeddings.weight", position_rows, width);
  }
  if (c.type_vocab_size > 0) {
    s.types = embeddings.matrix("token_type_embeddings.weight", c.type_vocab_size, width);
  }
  if (e.embedding_norm) s.embedding_norm = embeddings.norm("LayerNorm", width, Bias::yes);
  return s;
}

StackSource bind_bert_encoder(const WeightBinder& w, const TransformerConfig& c,
                              const FileTensor* tokens, std::int64_t position_rows,
                              const BertNames& names) {
  const StackConfig& e = c.encoder;
  StackSource s = bind_bert_embeddings(w, c, tokens, position_rows);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    s.blocks.push_back(bind_bert_block(w.scope("encoder.layer", i), e, names));
  }
  if (e.final_norm) s.final_norm = w.norm(names.final_norm, e.hidden_size, Bias::yes);
  return s;
}

HeadSource bind_transformed_lm_head(const WeightBinder& w, const TransformerConfig& c,
                                    const FileTensor* tokens, const LmHeadNames& names) {
  const StackConfig& e = c.encoder;
  const std::int64_t width = tokens ? tokens->shape.back() : e.embedding_width();
  HeadSource head;
  head.dense = w.linear(names.dense, width, e.hidden_size, Bias::yes);
  head.activation = names.activation;
  head.norm = w.norm(names.norm, width, Bias::yes);
  head.out = w.lm_head(names.decoder, tokens, c.tie_word_embeddings, Bias::no);
  head.out.parts.front().bias = bind_output_bias(w, names.decoder, c.vocab_size);
  return head;
}

HeadSource bind_first_token_head(const WeightBinder& root, const TransformerConfig& c,
                                 Activation activation) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  head.dense = root.linear("classifier.dense", hidden, hidden, Bias::yes);
  head.activation = activation;
  head.out = bind_labels(root, "classifier.out_proj", hidden, c);
  head.rows = HeadRows::first;
  return head;
}

HeadSource bind_roberta_head(const WeightBinder& root, const TransformerConfig& c,
                             const FileTensor* tokens) {
  switch (c.head) {
    case HeadKind::masked_lm:
      return bind_transformed_lm_head(root.scope("lm_head"), c, tokens,
                                      {"dense", "layer_norm", "decoder", Activation::gelu});
    case HeadKind::sequence_classification:
      return bind_first_token_head(root, c, Activation::tanh);
    default:
      return bind_token_head(root, c);
  }
}

HeadSource bind_bert_pooler(const WeightBinder& w, std::int64_t hidden, std::string_view name) {
  HeadSource pooler;
  pooler.dense = w.linear(name, hidden, hidden, Bias::yes);
  pooler.rows = HeadRows::first;
  return pooler;
}

}  // namespace llm::detail
