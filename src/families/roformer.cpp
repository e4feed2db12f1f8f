// RoFormer (arXiv:2104.09864): BERT's blocks with rotated queries and keys, and perhaps embeddings
// of a width of their own. Reference: transformers modeling_roformer.py.
#include <cmath>

#include "families/bert_layers.hpp"
#include "families/llama_layers.hpp"

namespace llm::detail {
namespace roformer {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {{}, {}, 0, {}});
  json.require("rotary_value", false, "values are not rotated");
  StackConfig& e = c.encoder;
  e.max_position_embeddings = json.size("max_position_embeddings", 1536);
  e.embedding_size = json.size("embedding_size", e.hidden_size);
  if (e.head_dim % 2 != 0) json.reject("num_attention_heads", "expected heads of an even width");
  RotaryPositions rotary;
  for (std::int64_t i = 0; i < e.head_dim; i += 2) {
    const double part = static_cast<double>(i) / static_cast<double>(e.head_dim);
    rotary.inverse_frequencies.push_back(std::pow(10000.0, -part));
  }
  e.positions = rotary;
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& e) {
  BlockSource b = bind_bert_block(w, e);
  for (std::size_t part : {0u, 1u}) {  // queries, keys
    LinearSource::Part& rows = b.attention.in.parts[part];
    rows = uninterleaved({{rows}}, e.num_attention_heads, e.head_dim, e.head_dim).parts.front();
  }
  return b;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  switch (c.head) {
    case HeadKind::masked_lm:
      return bind_transformed_lm_head(
          root.scope("cls.predictions"), c, tokens,
          {"transform.dense", "transform.LayerNorm", "decoder", c.encoder.hidden_act});
    case HeadKind::sequence_classification:
      return bind_first_token_head(root, c, c.encoder.hidden_act);
    default:
      return bind_token_head(root, c);
  }
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope_with("embeddings.LayerNorm.weight", {"roformer", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "cls.predictions.decoder");
  m.encoder = bind_bert_embeddings(w, c, tokens, e.max_position_embeddings);
  if (e.embedding_size != e.hidden_size) {
    m.encoder.embedding_projection =
        w.linear("embeddings_project", e.hidden_size, e.embedding_size, Bias::yes);
  }
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    m.encoder.blocks.push_back(bind_block(w.scope("encoder.layer", i), e));
  }
  m.head = bind_head(root, c, tokens);
  return m;
}

}  // namespace roformer

ModelFamily roformer_family() {
  using namespace roformer;
  return {
      {"roformer"},
      read_config,
      bind_weights,
      encoder_heads(),
      {},
      {{"roformer.embeddings.word_embeddings"}, "cls.predictions.decoder", "cls.predictions.bias"}};
}

}  // namespace llm::detail
