// What BERT and its descendants have in common.
#pragma once

#include "families/heads.hpp"

namespace llm::detail {

// read_config without the positions.
TransformerConfig read_bert_config(const ConfigReader& json, const SpecialTokens& special);

// The bias of an LM head `decoder`, tied to one that is stored beside it: files keep either.
const FileTensor* bind_output_bias(const WeightBinder& w, const std::string& decoder,
                                   std::int64_t vocab_size);

// The encoder below `bert.` or `roberta.`. `tokens` is its word embedding, `position_rows` the size
// of the table of learned positions.
StackSource bind_bert_encoder(const WeightBinder& w, const TransformerConfig& c,
                              const FileTensor* tokens, std::int64_t position_rows);

// tanh(dense(first token)); empty when the file has none.
HeadSource bind_bert_pooler(const WeightBinder& w, std::int64_t hidden);

}  // namespace llm::detail
