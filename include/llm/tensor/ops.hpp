/// \file
/// Operations on rows of activations. `double` is written out here, as plainly as the formulas;
/// `float` goes through the kernel table, whose contract (order of sums) is in kernels.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <type_traits>
#include <vector>

#include "llm/tensor/kernels.hpp"

namespace llm::ops {

template <typename S>
inline constexpr bool is_product_scalar = std::is_same_v<S, float>;

/// One activation value, as the reference defines it.
template <typename S>
S activation_value(Activation f, S x) {
  switch (f) {
    case Activation::gelu:
      return S(0.5) * x * (S(1) + std::erf(x / std::numbers::sqrt2_v<S>));
    case Activation::gelu_tanh: {
      const S c = std::sqrt(S(2) / std::numbers::pi_v<S>);
      return S(0.5) * x * (S(1) + std::tanh(c * (x + S(0.044715) * x * x * x)));
    }
    case Activation::quick_gelu:
      return x / (S(1) + std::exp(S(-1.702) * x));
    case Activation::relu:
      return x > S(0) ? x : S(0);
    case Activation::silu:
      return x / (S(1) + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return S(1) / (S(1) + std::exp(-x));
  }
  return x;
}

/// y[i] = a[i] + b[i], i < n; y may be a or b.
template <typename S>
void add(const S* a, const S* b, std::int64_t n, S* y) {
  constexpr int block = 16;  // a fixed number, so that compilers use vectors
  std::int64_t i = 0;
  for (; i + block <= n; i += block) {
    S sum[block];
    for (int j = 0; j < block; ++j) sum[j] = a[i + j] + b[i + j];
    std::copy_n(sum, block, y + i);
  }
  for (; i < n; ++i) y[i] = a[i] + b[i];
}

/// y[i] = f(x[i]), i < n; x == y allowed.
template <typename S>
void activate(Activation f, const S* x, std::int64_t n, S* y) {
  if constexpr (is_product_scalar<S>) {
    llm::detail::float_kernels().activate(f, x, n, y);
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] = activation_value(f, x[i]);
  }
}

/// y[i] = f(gate[i]) * up[i]; y may be gate or up.
template <typename S>
void activate_gated(Activation f, const S* gate, const S* up, std::int64_t n, S* y) {
  if constexpr (is_product_scalar<S>) {
    llm::detail::float_kernels().activate_gated(f, gate, up, n, y);
  } else {
    for (std::int64_t i = 0; i < n; ++i) y[i] = activation_value(f, gate[i]) * up[i];
  }
}

/// y = weight * x / sqrt(mean(x^2) + eps); x == y allowed. (arXiv:1910.07467)
template <typename S>
void rms_norm(const S* x, const S* weight, S eps, std::int64_t n, S* y) {
  if constexpr (is_product_scalar<S>) {
    llm::detail::float_kernels().rms_norm(x, weight, eps, n, y);
  } else {
    S squares = 0;
    for (std::int64_t i = 0; i < n; ++i) squares += x[i] * x[i];
    const S scale = S(1) / std::sqrt(squares / S(n) + eps);
    for (std::int64_t i = 0; i < n; ++i) y[i] = weight[i] * (x[i] * scale);
  }
}

/// y = (x - mean) / sqrt(var + eps) * weight + bias; bias may be null; x == y allowed.
/// (arXiv:1607.06450)
template <typename S>
void layer_norm(const S* x, const S* weight, const S* bias, S eps, std::int64_t n, S* y) {
  if constexpr (is_product_scalar<S>) {
    llm::detail::float_kernels().layer_norm(x, weight, bias, eps, n, y);
  } else {
    S mean = 0, variance = 0;
    for (std::int64_t i = 0; i < n; ++i) mean += x[i];
    mean /= S(n);
    for (std::int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
    const S scale = S(1) / std::sqrt(variance / S(n) + eps);
    for (std::int64_t i = 0; i < n; ++i) {
      y[i] = (x[i] - mean) * scale * weight[i] + (bias ? bias[i] : S(0));
    }
  }
}

/// log(sum exp(x)).
template <typename S>
S log_sum_exp(const S* x, std::int64_t n) {
  if constexpr (is_product_scalar<S>) {
    return llm::detail::float_kernels().log_sum_exp(x, n);
  } else {
    const S max = *std::max_element(x, x + n);
    S sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
    return max + std::log(sum);
  }
}

/// x = exp(x) / sum(exp(x)); entries of -inf (masked) become 0. Returns log(sum exp(x)).
template <typename S>
S softmax(S* x, std::int64_t n) {
  if constexpr (is_product_scalar<S>) {
    return llm::detail::float_kernels().softmax(x, n);
  } else {
    const S total = log_sum_exp(x, n);
    for (std::int64_t i = 0; i < n; ++i) x[i] = std::exp(x[i] - total);
    return total;
  }
}

/// Index of the largest value, the first of equals.
template <typename S>
std::int64_t argmax(const S* x, std::int64_t n) {
  if constexpr (is_product_scalar<S>) {
    return llm::detail::float_kernels().argmax(x, n);
  } else {
    return std::max_element(x, x + n) - x;
  }
}

/// Attention of some query rows over the keys and values of one head; the members are those of
/// detail::AttendArgs, which also defines the order of the sums for `float`.
template <typename S>
struct Attend {
  const S* q = nullptr;  ///< [rows, head_dim], row stride ldq
  std::int64_t ldq = 0;
  std::int64_t rows = 0;
  std::int64_t head_dim = 0;
  S scale = 1;                           ///< factor on q * k
  const void* const* k_pages = nullptr;  ///< per page of 64 positions: [head_dim][64]
  const void* const* v_pages = nullptr;  ///< per page: [64][padded_head_dim]
  bool is_bf16 = false;                  ///< pages of pairs; `float` only
  const std::int32_t* lo = nullptr;      ///< [rows]: keys lo <= key < hi are seen
  const std::int32_t* hi = nullptr;
  const S* const* bias = nullptr;  ///< null, or [rows]: bias[r][key] * log2 e is added
  S* out = nullptr;                ///< [rows, head_dim], row stride ldo
  std::int64_t ldo = 0;
  S* scratch = nullptr;  ///< attend_scratch<S>(head_dim) values
};

template <typename S>
std::int64_t attend_scratch(std::int64_t head_dim) {
  if constexpr (is_product_scalar<S>) {
    return llm::detail::float_kernels().attend_scratch_floats(head_dim);
  } else {
    return 0;
  }
}

namespace detail {

// One row: scores in base 2, softmax, weighted sum of values.
template <typename S>
void attend_row(const Attend<S>& a, std::int64_t r, std::vector<S>& p) {
  const S scale = a.scale * std::numbers::log2e_v<S>;
  const std::int64_t lo = a.lo[r], hi = a.hi[r];
  p.assign(static_cast<std::size_t>(hi - lo), S(0));
  S max = -std::numeric_limits<S>::infinity();
  for (std::int64_t key = lo; key < hi; ++key) {
    const S* k = static_cast<const S*>(a.k_pages[key / 64]) + key % 64;
    S score = 0;
    for (std::int64_t d = 0; d < a.head_dim; ++d) score += a.q[r * a.ldq + d] * k[d * 64];
    score = score * scale + (a.bias ? a.bias[r][key] : S(0));
    p[static_cast<std::size_t>(key - lo)] = score;
    max = std::max(max, score);
  }
  S sum = 0;
  for (S& value : p) sum += value = std::exp2(value - max);
  S* out = a.out + r * a.ldo;
  std::fill_n(out, a.head_dim, S(0));
  for (std::int64_t key = lo; key < hi; ++key) {
    const S weight = p[static_cast<std::size_t>(key - lo)] / sum;
    const S* v = static_cast<const S*>(a.v_pages[key / 64]) +
                 key % 64 * llm::detail::padded_head_dim(a.head_dim);
    for (std::int64_t d = 0; d < a.head_dim; ++d) out[d] += weight * v[d];
  }
}

}  // namespace detail

template <typename S>
void attend(const Attend<S>& a) {
  if constexpr (is_product_scalar<S>) {
    llm::detail::AttendArgs args;
    args.q = a.q;
    args.ldq = a.ldq;
    args.rows = a.rows;
    args.head_dim = a.head_dim;
    args.q_scale = a.scale * std::numbers::log2e_v<float>;
    args.k_pages = a.k_pages;
    args.v_pages = a.v_pages;
    args.is_bf16 = a.is_bf16;
    args.lo = a.lo;
    args.hi = a.hi;
    args.bias = a.bias;
    args.out = a.out;
    args.ldo = a.ldo;
    args.scratch = a.scratch;
    llm::detail::float_kernels().attend(args);
  } else {
    std::vector<S> p;
    for (std::int64_t r = 0; r < a.rows; ++r) detail::attend_row(a, r, p);
  }
}

}  // namespace llm::ops
