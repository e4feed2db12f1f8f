// Projections that files store as one matrix, with the rows of queries, keys and values mixed.
#pragma once

#include "llm/nn/transformer_config.hpp"
#include "llm/weights/weight_binder.hpp"

namespace llm::detail {

// Rows [head][query|key|value][head_dim] -> all queries, all keys, all values, which is how GGUF
// stores them.
LinearSource unfused_heads(LinearSource source, const StackConfig& d);
// The same of rows [key/value head][its queries|key|value][head_dim] (Falcon).
LinearSource unfused_groups(LinearSource source, const StackConfig& d);

}  // namespace llm::detail
