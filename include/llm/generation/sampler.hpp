/// \file
/// Chooses one token by the processed scores: the largest, or one drawn from their softmax.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "llm/generation/observer.hpp"
#include "llm/generation/random_stream.hpp"
#include "llm/generation/scores.hpp"

namespace llm {

/// The first of the largest scores; nothing when all are -inf or NaN.
template <typename S>
std::optional<Draw> choose_greedy(std::span<const S> scores) {
  const std::size_t best = detail::argmax(scores);
  if (best == scores.size()) return std::nullopt;
  return Draw{static_cast<TokenId>(best), 1.0, 0.0};
}

/// The token at which the running sum of probabilities, in index order, passes `uniform`, a number
/// in [0, 1). Nothing when no token can be chosen.
template <typename S>
std::optional<Draw> draw_token(std::span<const S> scores, double uniform) {
  const std::vector<std::size_t> tokens = detail::candidates(scores);
  if (tokens.empty() || !std::isfinite(detail::max_score(scores))) return std::nullopt;
  const std::vector<double> weight = detail::weights(scores, std::span(tokens));
  std::vector<double> sum(weight.size());
  double total = 0.0;
  for (std::size_t i = 0; i < weight.size(); ++i) sum[i] = total += weight[i];
  // upper_bound skips tokens of weight 0: their running sum is that of the token before. The
  // product may round up to the total: then choose the last token of positive weight.
  auto at = std::upper_bound(sum.begin(), sum.end(), uniform * total);
  if (at == sum.end()) at = std::lower_bound(sum.begin(), sum.end(), total);
  const auto chosen = static_cast<std::size_t>(at - sum.begin());
  return Draw{static_cast<TokenId>(tokens[chosen]), weight[chosen] / total, uniform};
}

/// Draws `count` different indices from the softmax of `scores`, and returns them in the order of
/// the draws. When fewer have a positive probability, the largest of the rest follow.
template <typename S>
std::vector<std::size_t> draw_without_replacement(std::span<const S> scores, std::size_t count,
                                                  const RandomStream& random, std::uint64_t step) {
  std::vector<std::size_t> tokens = detail::candidates(scores);
  std::vector<double> weight = detail::weights(scores, std::span(tokens));
  std::vector<std::size_t> drawn;
  std::vector<bool> taken(scores.size());
  const auto take = [&](std::size_t index) {
    drawn.push_back(index);
    taken[index] = true;
  };
  for (std::uint32_t draw = 0; drawn.size() < std::min(count, tokens.size()); ++draw) {
    double total = 0.0;
    for (const double w : weight) total += w;
    if (!(total > 0.0)) break;
    const double target = random.uniform(step, draw) * total;
    double sum = 0.0;
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < weight.size() && !(sum > target); ++i) {
      sum += weight[i];
      if (weight[i] > 0.0) chosen = i;
    }
    take(tokens[chosen]);
    weight[chosen] = 0.0;
  }
  for (const std::size_t index : detail::top_indices(scores, count)) {
    if (drawn.size() < count && !taken[index]) take(index);
  }
  for (std::size_t i = 0; i < scores.size() && drawn.size() < count; ++i) {
    if (!taken[i]) take(i);
  }
  return drawn;
}

}  // namespace llm
