/// \file
/// To watch the choice of every token: the scores before and after each processor, the draw, and
/// why a sequence ended. Without an observer it costs nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"

namespace llm {

/// Which choice is being made.
struct StepPlace {
  std::uint64_t row = 0;    ///< number of the request
  std::int32_t sample = 0;  ///< which of its sequences; in beam search which running beam
  std::int64_t step = 0;    ///< new tokens before this one
};

/// A token and its score or probability.
struct Candidate {
  TokenId id = 0;      ///< the token
  double value = 0.0;  ///< its score or probability
};

/// How one token was chosen.
struct Draw {
  TokenId id = 0;            ///< the token that was chosen
  double probability = 1.0;  ///< of the token, in the distribution it was drawn from; greedy: 1
  double uniform = 0.0;      ///< the random number in [0, 1); greedy: 0
};

/// Is told of every choice, from the thread that generates.
template <typename S>
class GenerationObserver {
 public:
  virtual ~GenerationObserver() = default;
  /// Called with stage "logits" before the first processor, and after each processor with its name.
  /// scores: [vocab_size].
  virtual void scores(const StepPlace& place, std::string_view stage,
                      std::span<const S> scores) = 0;
  /// A token was chosen (not called in beam search).
  virtual void draw(const StepPlace& place, const Draw& draw) = 0;
  /// A sequence ended; reason and stop as in GenerationResult.
  virtual void finished(const StepPlace& place, std::string_view reason, std::string_view stop) = 0;
};

/// The `count` largest scores, best first (of equals the lower id first); -inf is left out.
template <typename S>
std::vector<Candidate> top_scores(std::span<const S> scores, std::size_t count);

/// The same with probabilities (softmax of the scores) as values.
template <typename S>
std::vector<Candidate> top_probabilities(std::span<const S> scores, std::size_t count);

extern template std::vector<Candidate> top_scores(std::span<const float>, std::size_t);
extern template std::vector<Candidate> top_scores(std::span<const double>, std::size_t);
extern template std::vector<Candidate> top_probabilities(std::span<const float>, std::size_t);
extern template std::vector<Candidate> top_probabilities(std::span<const double>, std::size_t);

}  // namespace llm
