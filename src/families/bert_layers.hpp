// What BERT and its descendants have in common.
#pragma once

#include "families/heads.hpp"

namespace llm::detail {

// Norms after each sublayer, or before it and after the last one.
void set_norm_placement(NormPlacement placement, StackConfig& e);

// read_config without the positions.
TransformerConfig read_bert_config(const ConfigReader& json, const SpecialTokens& special);

// The bias of an LM head `decoder`, tied to one that is stored beside it: files keep either.
const FileTensor* bind_output_bias(const WeightBinder& w, const std::string& decoder,
                                   std::int64_t vocab_size);

// `embeddings`: tables of tokens, positions and, where the configuration has them, token types, and
// perhaps a norm.
StackSource bind_bert_embeddings(const WeightBinder& w, const TransformerConfig& c,
                                 const FileTensor* tokens, std::int64_t position_rows);

// What the parts of a layer are called, and the norm after the last one.
struct BertNames {
  const char* query = "attention.self.query";
  const char* key = "attention.self.key";
  const char* value = "attention.self.value";
  const char* attention_out = "attention.output.dense";
  const char* attention_norm = "attention.output.LayerNorm";
  const char* up = "intermediate.dense";
  const char* down = "output.dense";
  const char* feed_forward_norm = "output.LayerNorm";
  const char* final_norm = "";
};
BlockSource bind_bert_block(const WeightBinder& w, const StackConfig& e,
                            const BertNames& names = {});

// The encoder below `bert.` or `roberta.`. `tokens` is its word embedding, `position_rows` the size
// of the table of learned positions.
StackSource bind_bert_encoder(const WeightBinder& w, const TransformerConfig& c,
                              const FileTensor* tokens, std::int64_t position_rows,
                              const BertNames& names = {});

// A masked-LM head: decoder(norm(activation(dense(x)))).
struct LmHeadNames {
  const char* dense;
  const char* norm;
  const char* decoder;
  Activation activation;
};
HeadSource bind_transformed_lm_head(const WeightBinder& w, const TransformerConfig& c,
                                    const FileTensor* tokens, const LmHeadNames& names);

// A classifier of the first token: `classifier.dense` and `classifier.out_proj`.
HeadSource bind_first_token_head(const WeightBinder& root, const TransformerConfig& c,
                                 Activation activation);

// The heads of RoBERTa, with its names: `lm_head`, `classifier`, bind_token_head().
HeadSource bind_roberta_head(const WeightBinder& root, const TransformerConfig& c,
                             const FileTensor* tokens);

// tanh(dense(first token)); empty when the file has none.
HeadSource bind_bert_pooler(const WeightBinder& w, std::int64_t hidden,
                            std::string_view name = "pooler.dense");

}  // namespace llm::detail
