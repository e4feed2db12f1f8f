// DistilBERT (arXiv:1910.01108): BERT without token types and pooler, with names of its own.
// Reference: transformers modeling_distilbert.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace distilbert {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"hidden_size", "dim"},
                                               {"num_attention_heads", "n_heads"},
                                               {"num_hidden_layers", "n_layers"}});
  TransformerConfig c = json.common({{}, {}, 0, {}});
  c.kind = ModelKind::encoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& e = c.encoder;
  e.num_hidden_layers = json.size("n_layers", 6);
  e.hidden_size = json.size("dim", 768);
  e.intermediate_size = json.size("hidden_dim", 3072);
  json.read_heads("n_heads", e);
  e.max_position_embeddings = json.size("max_position_embeddings", 512);
  e.norm_eps = 1e-12;
  e.norm_placement = NormPlacement::post;
  e.embedding_norm = true;
  e.final_norm = false;
  e.positions = LearnedPositions{};
  e.hidden_act = json.activation("activation", "gelu");
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& e) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  BlockSource b;
  for (const char* name : {"q_lin", "k_lin", "v_lin"}) {
    b.attention.in.append(w.scope("attention").linear(name, hidden, hidden, Bias::yes));
  }
  b.attention.out = w.linear("attention.out_lin", hidden, hidden, Bias::yes);
  b.attention_norm = w.norm("sa_layer_norm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("ffn.lin1", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("ffn.lin2", hidden, inner, Bias::yes);
  b.feed_forward_norm = w.norm("output_layer_norm", hidden, Bias::yes);
  return b;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  switch (c.head) {
    case HeadKind::masked_lm:
      head.dense = root.linear("vocab_transform", hidden, hidden, Bias::yes);
      head.activation = c.encoder.hidden_act;
      head.norm = root.norm("vocab_layer_norm", hidden, Bias::yes);
      head.out = root.lm_head("vocab_projector", tokens, c.tie_word_embeddings, Bias::yes);
      break;
    case HeadKind::sequence_classification:
      head.dense = root.linear("pre_classifier", hidden, hidden, Bias::yes);
      head.activation = Activation::relu;
      head.out = bind_labels(root, "classifier", hidden, c);
      head.rows = HeadRows::first;
      break;
    default:
      head = bind_token_head(root, c);
  }
  return head;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w =
      root.scope_with("embeddings.position_embeddings.weight", {"distilbert", ""});
  const WeightBinder embeddings = w.scope("embeddings");
  ModelSource m;
  m.encoder.tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "vocab_projector");
  m.encoder.positions =
      embeddings.matrix("position_embeddings.weight", e.max_position_embeddings, e.hidden_size);
  m.encoder.embedding_norm = embeddings.norm("LayerNorm", e.hidden_size, Bias::yes);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    m.encoder.blocks.push_back(bind_block(w.scope("transformer.layer", i), e));
  }
  m.head = bind_head(root, c, m.encoder.tokens);
  return m;
}

}  // namespace distilbert

ModelFamily distilbert_family() {
  using namespace distilbert;
  return {
      {"distilbert"},  read_config, bind_weights,
      encoder_heads(), {},          {{"distilbert.embeddings.word_embeddings"}, "vocab_projector"}};
}

}  // namespace llm::detail
