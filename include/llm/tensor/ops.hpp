/// \file
/// Operations on rows of activations. `float` goes through the kernel table, whose contract (order
/// of sums) is in kernels.hpp; `double` follows the formulas of the papers, in
/// src/tensor/reference.cpp.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <iterator>
#include <span>
#include <type_traits>

#include "llm/tensor/kernels.hpp"
#include "llm/tensor/tensor.hpp"

namespace llm::ops {

/// y = a + b, row by row; y may be a or b.
template <typename S>
void add(std::type_identity_t<TensorView<const S>> a, std::type_identity_t<TensorView<const S>> b,
         TensorView<S> y) {
  assert(a.rows() == y.rows() && a.cols() == y.cols() && b.rows() == y.rows() &&
         b.cols() == y.cols());
  constexpr int block = 16;  // a fixed number, so that compilers use vectors
  for (std::int64_t r = 0; r < y.rows(); ++r) {
    const S* const from_a = a.row(r).data();
    const S* const from_b = b.row(r).data();
    S* const to = y.row(r).data();
    std::int64_t i = 0;
    for (; i + block <= y.cols(); i += block) {
      S sum[block];
      for (int j = 0; j < block; ++j) sum[j] = from_a[i + j] + from_b[i + j];
      std::copy_n(sum, block, to + i);
    }
    for (; i < y.cols(); ++i) to[i] = from_a[i] + from_b[i];
  }
}

/// x = factor * x.
template <typename S>
void scale(std::span<S> x, S factor) {
  for (S& value : x) value *= factor;
}

// The functions below exist for `float` and `double`. Spans of one call have one size.

/// x = f(x).
void activate(Activation f, std::span<double> x);
/// up = f(gate) * up.
void activate_gated(Activation f, std::span<const double> gate, std::span<double> up);
/// y = weight * x / sqrt(mean(x^2) + eps); x == y allowed. (arXiv:1910.07467)
void rms_norm(std::span<const double> x, std::span<const double> weight, double eps,
              std::span<double> y);
/// y = (x - mean) / sqrt(var + eps) * weight + bias; bias may be empty; x == y allowed.
/// (arXiv:1607.06450)
void layer_norm(std::span<const double> x, std::span<const double> weight,
                std::span<const double> bias, double eps, std::span<double> y);
/// log(sum exp(x)).
double log_sum_exp(std::span<const double> x);
/// x = exp(x) / sum(exp(x)); entries of -inf (masked) become 0. Returns log(sum exp(x)).
double softmax(std::span<double> x);
/// Index of the largest value, the first of equals.
std::int64_t argmax(std::span<const double> x);
/// Attention of some query rows over the keys and values of one head, as AttendArgs describes it:
/// softmax(q K^T * scale + bias) V. (arXiv:1706.03762, 3.2.1)
void attend(const detail::AttendArgs<double>& args);
/// y = x w^T + bias, row by row: x [m, inputs], w [outputs, inputs], bias [outputs] or empty,
/// y [m, outputs].
void multiply(TensorView<const double> x, TensorView<const double> w, std::span<const double> bias,
              TensorView<double> y);

/// @cond  The same of `float`.

inline void activate(Activation f, std::span<float> x) {
  detail::float_kernels().activate(f, x.data(), std::ssize(x), x.data());
}
inline void activate_gated(Activation f, std::span<const float> gate, std::span<float> up) {
  assert(gate.size() == up.size());
  detail::float_kernels().activate_gated(f, gate.data(), up.data(), std::ssize(up), up.data());
}
inline void rms_norm(std::span<const float> x, std::span<const float> weight, float eps,
                     std::span<float> y) {
  assert(x.size() == y.size() && weight.size() == y.size());
  detail::float_kernels().rms_norm(x.data(), weight.data(), eps, std::ssize(x), y.data());
}
inline void layer_norm(std::span<const float> x, std::span<const float> weight,
                       std::span<const float> bias, float eps, std::span<float> y) {
  assert(x.size() == y.size() && weight.size() == y.size());
  assert(bias.empty() || bias.size() == y.size());
  detail::float_kernels().layer_norm(x.data(), weight.data(), bias.data(), eps, std::ssize(x),
                                     y.data());
}
inline float log_sum_exp(std::span<const float> x) {
  return detail::float_kernels().log_sum_exp(x.data(), std::ssize(x));
}
inline float softmax(std::span<float> x) {
  return detail::float_kernels().softmax(x.data(), std::ssize(x));
}
inline std::int64_t argmax(std::span<const float> x) {
  return detail::float_kernels().argmax(x.data(), std::ssize(x));
}
inline void attend(const detail::AttendArgs<float>& args) { detail::float_kernels().attend(args); }

/// @endcond

/// How many elements AttendArgs::scratch needs for heads of this width.
template <typename S>
std::int64_t attend_scratch(std::int64_t head_dim) {
  if constexpr (std::is_same_v<S, float>) {
    return detail::float_kernels().attend_scratch_floats(head_dim);
  } else {
    return 0;
  }
}

}  // namespace llm::ops
