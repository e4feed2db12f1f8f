// RoBERTa (arXiv:1907.11692), XLM-RoBERTa (arXiv:1911.02116) and CamemBERT (arXiv:1911.03894):
// BERT's blocks, positions that begin after the padding token's, other heads. Reference:
// transformers modeling_roberta.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace roberta {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {0, 2, 1, {}});
  const std::int64_t padding = c.pad_token_id.value_or(1);
  c.encoder.norm_eps = json.number("layer_norm_eps", 1e-12);
  c.encoder.positions = LearnedPositions{padding + 1, static_cast<TokenId>(padding)};
  c.encoder.max_position_embeddings -= padding + 1;
  if (c.encoder.max_position_embeddings < 1) {
    json.reject("max_position_embeddings", "expected more than pad_token_id + 1");
  }
  return c;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  switch (c.head) {
    case HeadKind::masked_lm: {
      const WeightBinder lm = root.scope("lm_head");
      head.dense = lm.linear("dense", hidden, hidden, Bias::yes);
      head.activation = Activation::gelu;
      head.norm = lm.norm("layer_norm", hidden, Bias::yes);
      head.out = lm.lm_head("decoder", tokens, c.tie_word_embeddings, Bias::no);
      head.out.parts.front().bias = bind_output_bias(lm, "decoder", c.vocab_size);
      break;
    }
    case HeadKind::sequence_classification:
      head.dense = root.linear("classifier.dense", hidden, hidden, Bias::yes);
      head.out = bind_labels(root, "classifier.out_proj", hidden, c);
      head.rows = HeadRows::first;
      break;
    default:
      head = bind_token_head(root, c);
  }
  return head;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w =
      root.scope_with("embeddings.position_embeddings.weight", {"roberta", "camembert", ""});
  const std::int64_t offset = std::get<LearnedPositions>(c.encoder.positions).offset;
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "lm_head.decoder");
  m.encoder = bind_bert_encoder(w, c, tokens, c.encoder.max_position_embeddings + offset);
  m.head = bind_head(root, c, m.encoder.tokens);
  if (w.has("pooler.dense.weight")) m.pooler = bind_bert_pooler(w, c.encoder.hidden_size);
  return m;
}

}  // namespace roberta

ModelFamily roberta_family() {
  using namespace roberta;
  return {{"roberta", "xlm-roberta", "camembert"},
          read_config,
          bind_weights,
          encoder_heads(),
          {},
          {{"roberta.embeddings.word_embeddings"}, "lm_head.decoder", "lm_head.bias"}};
}

}  // namespace llm::detail
