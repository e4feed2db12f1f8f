/// \file
/// Checks that what a model computed is finite. Weights that are damaged, or too large for the
/// precision, lead to NaN or infinity; no task may return those.
#pragma once

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "llm/core/error.hpp"
#include "llm/tensor/tensor.hpp"

namespace llm {

/// Throws the Error (bad_format) that names `what` ("logits", say) of the model.
[[noreturn]] inline void refuse_non_finite(std::string_view what) {
  throw Error(ErrorCode::bad_format,
              "the model's " + std::string(what) +
                  " are not finite numbers; its weights are damaged, or too large for the chosen "
                  "precision");
}

/// Throws Error (bad_format) unless all values are finite.
template <typename S>
void check_finite(std::span<const S> values, std::string_view what) {
  bool bad = false;
  for (const S value : values) bad |= !(std::abs(value) <= std::numeric_limits<S>::max());
  if (bad) refuse_non_finite(what);
}

/// Throws Error (bad_format) when a logit is NaN or +infinity. A logit of -infinity is allowed: its
/// probability is 0.
template <typename S>
void check_logits(TensorView<const S> logits) {
  for (std::int64_t row = 0; row < logits.rows(); ++row) {
    bool bad = false;
    for (const S value : logits.row(row)) bad |= !(value <= std::numeric_limits<S>::max());
    if (bad) refuse_non_finite("logits");
  }
}

}  // namespace llm
