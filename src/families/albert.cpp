// ALBERT (arXiv:1909.11942): BERT's blocks, which groups of layers share, and embeddings of a width
// of their own. Reference: transformers modeling_albert.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace albert {  // the names of all family files are alike

constexpr BertNames names{.query = "attention.query",
                          .key = "attention.key",
                          .value = "attention.value",
                          .attention_out = "attention.dense",
                          .attention_norm = "attention.LayerNorm",
                          .up = "ffn",
                          .down = "ffn_output",
                          .feed_forward_norm = "full_layer_layer_norm"};

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {2, 3, 0, {}});
  StackConfig& e = c.encoder;
  e.positions = LearnedPositions{};
  e.embedding_size = json.size("embedding_size", 128);
  e.hidden_act = json.activation("hidden_act", "gelu_new");
  e.num_hidden_groups = json.size("num_hidden_groups", 1);
  e.inner_group_num = json.size("inner_group_num", 1);
  e.num_hidden_layers *= e.inner_group_num;
  return c;
}

// The group of a layer, with the reference's rounding.
std::int64_t group_of(const StackConfig& e, std::int64_t layer) {
  const std::int64_t outer_layers = e.num_hidden_layers / e.inner_group_num;
  const std::int64_t outer = layer / e.inner_group_num;
  const double per_group =
      static_cast<double>(outer_layers) / static_cast<double>(e.num_hidden_groups);
  return static_cast<std::int64_t>(static_cast<double>(outer) / per_group);
}

StackSource bind_encoder(const WeightBinder& w, const TransformerConfig& c,
                         const FileTensor* tokens) {
  const StackConfig& e = c.encoder;
  const WeightBinder encoder = w.scope("encoder");
  StackSource s = bind_bert_embeddings(w, c, tokens, e.max_position_embeddings);
  s.embedding_projection =
      encoder.linear("embedding_hidden_mapping_in", e.hidden_size, e.embedding_size, Bias::yes);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    const WeightBinder group = encoder.scope("albert_layer_groups", group_of(e, i));
    s.blocks.push_back(
        bind_bert_block(group.scope("albert_layers", i % e.inner_group_num), e, names));
  }
  return s;
}

HeadSource bind_head(const WeightBinder& root, const WeightBinder& w, const TransformerConfig& c,
                     const FileTensor* tokens) {
  switch (c.head) {
    case HeadKind::masked_lm:
      return bind_transformed_lm_head(root.scope("predictions"), c, tokens,
                                      {"dense", "LayerNorm", "decoder", c.encoder.hidden_act});
    case HeadKind::sequence_classification: {
      HeadSource head = bind_bert_pooler(w, c.encoder.hidden_size, "pooler");
      head.out = bind_labels(root, "classifier", c.encoder.hidden_size, c);
      return head;
    }
    default:
      return bind_token_head(root, c);
  }
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w = root.scope_with("embeddings.position_embeddings.weight", {"albert", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "predictions.decoder");
  m.encoder = bind_encoder(w, c, tokens);
  m.head = bind_head(root, w, c, tokens);
  if (w.has("pooler.weight")) m.pooler = bind_bert_pooler(w, c.encoder.hidden_size, "pooler");
  return m;
}

}  // namespace albert

ModelFamily albert_family() {
  using namespace albert;
  return {{"albert"},
          read_config,
          bind_weights,
          encoder_heads(),
          {},
          {{"albert.embeddings.word_embeddings"}, "predictions.decoder", "predictions.bias"}};
}

}  // namespace llm::detail
