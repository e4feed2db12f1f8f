// What BERT and its descendants have in common.
#pragma once

#include "model/model_family.hpp"

namespace llm::detail {

// Everything of read_config but the positions.
TransformerConfig read_bert_config(const ConfigReader& json);

// The encoder below `bert.` or `roberta.`; `position_rows` of the learned table.
StackSource bind_bert_encoder(const WeightBinder& w, const TransformerConfig& c,
                              std::int64_t position_rows);

// tanh(dense(first token)); empty when the file has none.
HeadSource bind_bert_pooler(const WeightBinder& w, std::int64_t hidden);

// Heads that are one matrix over every token: labels per token, start and end of an answer. Empty
// for other heads.
HeadSource bind_token_head(const WeightBinder& root, const TransformerConfig& c);

}  // namespace llm::detail
