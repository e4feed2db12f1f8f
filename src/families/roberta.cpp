// RoBERTa (arXiv:1907.11692), XLM-RoBERTa (arXiv:1911.02116) and CamemBERT (arXiv:1911.03894):
// BERT's blocks, positions that begin after the padding token's, other heads; the same with norms
// before each sublayer: RoBERTa-PreLayerNorm (arXiv:1904.01038) and XLM-RoBERTa-XL
// (arXiv:2105.00572). Reference: transformers
// modeling_{roberta,roberta_prelayernorm,xlm_roberta_xl}.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace roberta {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {0, 2, 1, {}});
  const std::int64_t padding = c.pad_token_id.value_or(1);
  const bool xl = json.is_any({"xlm-roberta-xl"});
  if (xl) {
    c.encoder.max_position_embeddings = json.size("max_position_embeddings", 514);
    c.type_vocab_size = json.count("type_vocab_size", 1);
  }
  c.encoder.norm_eps = json.number("layer_norm_eps", xl ? 1e-5 : 1e-12);
  if (xl || json.is_any({"roberta-prelayernorm"})) {
    set_norm_placement(NormPlacement::pre, c.encoder);
    c.encoder.embedding_norm = !xl;
  }
  c.encoder.positions = LearnedPositions{padding + 1, static_cast<TokenId>(padding)};
  c.encoder.max_position_embeddings -= padding + 1;
  if (c.encoder.max_position_embeddings < 1) {
    json.reject("max_position_embeddings", "expected more than pad_token_id + 1");
  }
  return c;
}

BertNames names_of(const TransformerConfig& c) {
  if (c.encoder.norm_placement == NormPlacement::post) return {};
  if (c.encoder.embedding_norm) {
    return {.attention_norm = "attention.LayerNorm",
            .feed_forward_norm = "intermediate.LayerNorm",
            .final_norm = "LayerNorm"};
  }
  return {.attention_norm = "attention.self_attn_layer_norm",
          .feed_forward_norm = "LayerNorm",
          .final_norm = "encoder.LayerNorm"};
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w = root.scope_with("embeddings.position_embeddings.weight",
                                         {"roberta", "camembert", "roberta_prelayernorm", ""});
  const std::int64_t offset = std::get<LearnedPositions>(c.encoder.positions).offset;
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "lm_head.decoder");
  m.encoder =
      bind_bert_encoder(w, c, tokens, c.encoder.max_position_embeddings + offset, names_of(c));
  m.head = bind_roberta_head(root, c, m.encoder.tokens);
  if (w.has("pooler.dense.weight")) m.pooler = bind_bert_pooler(w, c.encoder.hidden_size);
  return m;
}

}  // namespace roberta

ModelFamily roberta_family() {
  using namespace roberta;
  return {{"roberta", "xlm-roberta", "camembert", "roberta-prelayernorm", "xlm-roberta-xl"},
          read_config,
          bind_weights,
          encoder_heads(),
          {},
          {{"roberta.embeddings.word_embeddings"}, "lm_head.decoder", "lm_head.bias"}};
}

}  // namespace llm::detail
