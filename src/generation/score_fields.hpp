// The fields of scored choices: the same at the shell and in a chain.
#pragma once

#include <span>
#include <string>

#include "core/json.hpp"
#include "llm/generation/scorer.hpp"

namespace llm::detail {

// {"best", "logprob", "score", "choices": [{"text", "logprob", "tokens", "score"}]}. Of equal
// scores the first is the best. With a tokenizer each choice has "token_logprobs".
OrderedJson score_fields(std::span<const std::string> texts, const ScoreResult& result,
                         LengthNormalization by, const Tokenizer* tokenizer);

}  // namespace llm::detail
