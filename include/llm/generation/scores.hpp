/// \file
/// Arithmetic on one row of scores, for processors, sampler and beam search. The order of every sum
/// is fixed (index order in double, or that of the float kernels), so results do not depend on the
/// instruction set.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "llm/tensor/kernels.hpp"

namespace llm::detail {

template <typename S>
inline constexpr S minus_infinity = -std::numeric_limits<S>::infinity();

/// Whether a token can still be chosen: neither banned nor NaN.
template <typename S>
bool is_candidate(S score) {
  return score > minus_infinity<S>;
}

/// The tokens that can still be chosen, in index order.
template <typename S>
std::vector<std::size_t> candidates(std::span<const S> scores) {
  std::vector<std::size_t> found;
  found.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (is_candidate(scores[i])) found.push_back(i);
  }
  return found;
}

/// Largest score; -inf when there is no candidate.
template <typename S>
S max_score(std::span<const S> scores) {
  S best = minus_infinity<S>;
  for (const S score : scores) best = score > best ? score : best;
  return best;
}

/// Index of the largest score, the first of equals; scores.size() when there is no candidate.
template <typename S>
std::size_t argmax(std::span<const S> scores) {
  std::size_t best = scores.size();
  S value = minus_infinity<S>;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > value) {
      value = scores[i];
      best = i;
    }
  }
  return best;
}

/// to[i] = scores[i] + value, computed in double and rounded once.
template <typename S, typename To>
void add_to_all(std::span<const S> scores, double value, To* to) {
  constexpr std::size_t block = 8;  // a constant, so that compilers vectorize the loop
  const S* from = scores.data();
  std::size_t i = 0;
  for (; i + block <= scores.size(); i += block) {
    To sums[block];
    for (std::size_t j = 0; j < block; ++j) {
      sums[j] = static_cast<To>(static_cast<double>(from[i + j]) + value);
    }
    std::copy_n(sums, block, to + i);
  }
  for (; i < scores.size(); ++i) to[i] = static_cast<To>(static_cast<double>(from[i]) + value);
}

/// log(sum(exp(scores))); not finite when no score is, or one is NaN or inf.
template <typename S>
double log_sum_exp(std::span<const S> scores) {
  if constexpr (std::is_same_v<S, float>) {
    const auto size = static_cast<std::int64_t>(scores.size());
    return static_cast<double>(float_kernels().log_sum_exp(scores.data(), size));
  }
  const double max = static_cast<double>(max_score(scores));
  if (!std::isfinite(max)) return max;
  double sum = 0.0;
  for (const S score : scores) sum += std::exp(static_cast<double>(score) - max);
  return max + std::log(sum);
}

/// exp(score - max) of each of `tokens`: probabilities before division by their sum.
template <typename S>
std::vector<double> weights(std::span<const S> scores, std::span<const std::size_t> tokens) {
  const double max = static_cast<double>(max_score(scores));
  std::vector<double> result(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const double below = static_cast<double>(scores[tokens[i]]) - max;
    result[i] = std::isnan(below) ? 1.0 : std::exp(below);  // NaN: both are infinite
  }
  return result;
}

/// Indices of the `count` largest scores, best first (of equals the lower index first); candidates
/// only. One pass with a heap: `count` is small beside the vocabulary.
template <typename S>
std::vector<std::size_t> top_indices(std::span<const S> scores, std::size_t count) {
  const auto before = [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  std::vector<std::size_t> heap;  // its front is the worst of the best
  S worst = minus_infinity<S>;
  for (std::size_t i = 0; count > 0 && i < scores.size(); ++i) {
    if (heap.size() == count && !(scores[i] > worst)) continue;
    if (!is_candidate(scores[i])) continue;
    if (heap.size() == count) {
      std::pop_heap(heap.begin(), heap.end(), before);
      heap.back() = i;
    } else {
      heap.push_back(i);
    }
    std::push_heap(heap.begin(), heap.end(), before);
    worst = scores[heap.front()];
  }
  std::sort_heap(heap.begin(), heap.end(), before);
  return heap;
}

}  // namespace llm::detail
