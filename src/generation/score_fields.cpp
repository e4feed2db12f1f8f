#include "generation/score_fields.hpp"

#include <utility>

namespace llm::detail {
namespace {

OrderedJson token_fields(const ContinuationScore& score, const Tokenizer& tokenizer) {
  OrderedJson tokens = OrderedJson::array();
  for (const TokenScore& token : score.tokens)
    tokens.push_back(
        {{"id", token.id}, {"token", tokenizer.token(token.id)}, {"logprob", token.logprob}});
  return tokens;
}

}  // namespace

OrderedJson score_fields(std::span<const std::string> texts, const ScoreResult& result,
                         LengthNormalization by, const Tokenizer* tokenizer) {
  OrderedJson choices = OrderedJson::array();
  std::size_t best = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const ContinuationScore& score = result.continuations[i];
    OrderedJson choice = {{"text", texts[i]},
                          {"logprob", score.logprob},
                          {"tokens", score.tokens.size()},
                          {"score", normalized_logprob(score, texts[i], by)}};
    if (tokenizer != nullptr) choice["token_logprobs"] = token_fields(score, *tokenizer);
    choices.push_back(std::move(choice));
    if (choices[i]["score"].get<double>() > choices[best]["score"].get<double>()) best = i;
  }
  const OrderedJson winner = choices[best];
  return {{"best", winner["text"]},
          {"logprob", winner["logprob"]},
          {"score", winner["score"]},
          {"choices", std::move(choices)}};
}

}  // namespace llm::detail
