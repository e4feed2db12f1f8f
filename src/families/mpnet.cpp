// MPNet (arXiv:2004.09297): BERT's blocks with RoBERTa's positions and, beside them, a learned bias
// on the scores by distance as in T5. Reference: transformers modeling_mpnet.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace mpnet {  // the names of all family files are alike

constexpr TokenId padding = 1;            // whatever pad_token_id says
constexpr std::int64_t num_buckets = 32;  // of the table's rows those that are used
constexpr BertNames names{.query = "attention.attn.q",
                          .key = "attention.attn.k",
                          .value = "attention.attn.v",
                          .attention_out = "attention.attn.o",
                          .attention_norm = "attention.LayerNorm"};

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {0, 2, 1, {}});
  c.type_vocab_size = 0;
  c.encoder.positions = LearnedPositions{padding + 1, padding};
  c.encoder.max_position_embeddings -= padding + 1;
  if (c.encoder.max_position_embeddings < 1) {
    json.reject("max_position_embeddings", "expected at least 3");
  }
  if (json.size("relative_attention_num_buckets", num_buckets) < num_buckets) {
    json.unsupported("relative_attention_num_buckets", "expected at least 32");
  }
  c.encoder.relative_bias = RelativeBias{.num_buckets = num_buckets};
  return c;
}

// The table of biases may have more rows than are used.
const FileTensor* bind_relative_bias(const WeightBinder& w, std::int64_t heads) {
  const LinearSource table = w.linear_any("encoder.relative_attention_bias", heads);
  return table.parts.front().weight;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope_with("embeddings.position_embeddings.weight", {"mpnet", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "lm_head.decoder");
  m.encoder = bind_bert_encoder(w, c, tokens, e.max_position_embeddings + padding + 1, names);
  m.encoder.relative_bias.push_back(bind_relative_bias(w, e.num_attention_heads));
  m.head = bind_roberta_head(root, c, tokens);
  if (w.has("pooler.dense.weight")) m.pooler = bind_bert_pooler(w, e.hidden_size);
  return m;
}

}  // namespace mpnet

ModelFamily mpnet_family() {
  using namespace mpnet;
  return {{"mpnet"},    read_config,
          bind_weights, encoder_heads(),
          {},           {{"mpnet.embeddings.word_embeddings"}, "lm_head.decoder", "lm_head.bias"}};
}

}  // namespace llm::detail
