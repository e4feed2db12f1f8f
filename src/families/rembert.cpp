// RemBERT (arXiv:2010.12821): BERT with embeddings of one width before the layers and of another
// after them. Reference: transformers modeling_rembert.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace rembert {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {312, 313, 0, {}});
  json.require("tie_word_embeddings", false, "its two tables have different widths");
  c.tie_word_embeddings = false;
  c.encoder.positions = LearnedPositions{};
  c.encoder.embedding_size = json.size("input_embedding_size", 256);
  return c;
}

HeadSource bind_head(const WeightBinder& root, const WeightBinder& w, const TransformerConfig& c) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  switch (c.head) {
    case HeadKind::masked_lm: {  // the file says how wide the second table is
      const WeightBinder cls = root.scope("cls.predictions");
      head.dense = cls.linear_any("dense", hidden, Bias::yes);
      const std::int64_t width = head.dense.parts.front().outputs;
      head.activation = c.encoder.hidden_act;
      head.norm = cls.norm("LayerNorm", width, Bias::yes);
      head.out = cls.linear("decoder", c.vocab_size, width, Bias::yes);
      return head;
    }
    case HeadKind::sequence_classification:
      head = bind_bert_pooler(w, hidden);
      head.out = bind_labels(root, "classifier", hidden, c);
      return head;
    default:
      return bind_token_head(root, c);
  }
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope_with("embeddings.position_embeddings.weight", {"rembert", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "cls.predictions.decoder");
  m.encoder = bind_bert_encoder(w, c, tokens, e.max_position_embeddings);
  m.encoder.embedding_projection =
      w.linear("encoder.embedding_hidden_mapping_in", e.hidden_size, e.embedding_size, Bias::yes);
  m.head = bind_head(root, w, c);
  if (w.has("pooler.dense.weight")) m.pooler = bind_bert_pooler(w, e.hidden_size);
  return m;
}

}  // namespace rembert

ModelFamily rembert_family() {
  using namespace rembert;
  return {{"rembert"},  read_config,
          bind_weights, encoder_heads(),
          {},           {{"rembert.embeddings.word_embeddings"}, "cls.predictions.decoder"}};
}

}  // namespace llm::detail
