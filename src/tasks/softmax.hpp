// Logits to probabilities, in one place for all tasks.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "llm/tensor/finite.hpp"

namespace llm::detail {

// In place. Throws Error (bad_format) when no logit is a number.
inline void softmax(std::vector<double>& logits) {
  const double largest = *std::ranges::max_element(logits);
  for (double& value : logits) value = std::exp(value - largest);
  const double sum = std::accumulate(logits.begin(), logits.end(), 0.0);
  for (double& value : logits) value /= sum;
  check_finite(std::span<const double>(logits), "logits");
}

}  // namespace llm::detail
