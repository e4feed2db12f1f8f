// Activations, norms and softmax, written once over Vec with separate multiplications and additions
// only: their bits are equal on every machine. The coefficients are minimax polynomials of the
// relative error, computed by fit_polynomials.py.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/matmul_inl.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm::detail {
namespace {

// p = p * x + c: a step of Horner's rule.
LLM_INLINE Vec horner(Vec p, Vec x, float c) { return add(mul(p, x), set1(c)); }

// e^(x + correction) for x <= 0 and a correction small against the spacing of ln 2; 0 below
// ln 2^-126. x = n ln 2 + r; e^r = 1 + r + r^2 P(r) on |r| <= ln 2 / 2, relative error of the
// polynomial 2^-28.3. Largest error measured: 0.95 ulp.
LLM_INLINE Vec exp_negative(Vec x, Vec correction) {
  const Vec magic = set1(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec rounded = add(mul(x, set1(1.44269504f)), magic);
  const Vec n = sub(rounded, magic);
  // ln 2 in two parts; the first has 15 significant bits, so n times it is exact.
  const Vec r =
      add(sub(sub(x, mul(n, set1(0.693145751953125f))), mul(n, set1(1.42860677e-6f))), correction);
  Vec p = set1(0.0013814602f);
  p = horner(p, r, 0.0083687175f);
  p = horner(p, r, 0.04166839f);
  p = horner(p, r, 0.16666521f);
  p = horner(p, r, 0.49999994f);
  p = add(add(mul(mul(r, r), p), r), set1(1.0f));
  return select_less(x, set1(-87.3365402f), zero(), add_exponent(p, rounded));
}
LLM_INLINE Vec exp_negative(Vec x) { return exp_negative(x, zero()); }

LLM_INLINE Vec negative_abs(Vec x) { return copy_sign(x, set1(-1.0f)); }

// 1 / (1 + e^-x), from e^-|x| <= 1 so that small results keep their relative accuracy: 2.2 ulp.
LLM_INLINE Vec sigmoid(Vec x) {
  const Vec e = exp_negative(negative_abs(x));
  const Vec one = set1(1.0f);
  return div(select_less(x, zero(), e, one), add(one, e));
}

// |x| < 1/2: x + x^3 P(x^2), relative error of the polynomial 2^-26.0; beyond:
// (1 - e^-2|x|) / (1 + e^-2|x|) with the sign of x. Largest error measured: 2.1 ulp.
LLM_INLINE Vec tanh(Vec x) {
  const Vec t = mul(x, x), one = set1(1.0f);
  Vec p = set1(0.017241493f);
  p = horner(p, t, -0.053045496f);
  p = horner(p, t, 0.13325879f);
  p = horner(p, t, -0.33333144f);
  const Vec small = add(x, mul(mul(x, t), p));
  const Vec e = exp_negative(mul(negative_abs(x), set1(2.0f)));
  const Vec large = copy_sign(div(sub(one, e), add(one, e)), x);
  return select_less(abs(x), set1(0.5f), small, large);
}

// x Phi(x), Phi the normal distribution function: Phi(-a) = e^(-a^2/2) G(a) for a = |x|, with
// G(a) = erfcx(a / sqrt 2) / 2 as a polynomial in u = (a - 3) / (a + 3), relative error 2^-27.2.
// a^2 is taken in two parts, because an error in the exponent is multiplied by its size. Largest
// error measured: 5.5 ulp for x > -3, 7.2 ulp everywhere.
LLM_INLINE Vec gelu(Vec x) {
  const Vec a = min(abs(x), set1(14.0f));
  const Vec u = div(sub(a, set1(3.0f)), add(a, set1(3.0f)));
  Vec g = set1(5.415081e-05f);
  g = horner(g, u, 0.000116037336f);
  g = horner(g, u, -0.00033991126f);
  g = horner(g, u, -0.0009841827f);
  g = horner(g, u, 0.0029047027f);
  g = horner(g, u, 0.006132183f);
  g = horner(g, u, -0.046213314f);
  g = horner(g, u, 0.12322502f);
  g = horner(g, u, -0.20640261f);
  g = horner(g, u, 0.12151395f);
  const Vec h = high_bits(a), minus_half = set1(-0.5f);
  const Vec rest = mul(mul(sub(a, h), add(a, h)), minus_half);
  const Vec tail = mul(g, exp_negative(mul(mul(h, h), minus_half), rest));
  return mul(x, select_less(x, zero(), tail, sub(set1(1.0f), tail)));
}

// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) = x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)).
// Largest error measured: 2.9 ulp for x > -1; further down the rounding of the argument is
// multiplied by its size (32 ulp at -5, where the result is 1e-6).
LLM_INLINE Vec gelu_tanh(Vec x) {
  const Vec inner = horner(mul(x, x), set1(0.071354814f), 1.59576917f);
  return mul(x, sigmoid(mul(x, inner)));
}

// y[i] = f(x[i]), sixteen at a time.
template <typename F>
LLM_INLINE void map(const float* x, const float* factor, Index n, float* y, F f) {
  Index i = 0;
  for (; i + 16 <= n; i += 16) {
    const Vec v = f(load(x + i));
    store(y + i, factor ? mul(v, load(factor + i)) : v);
  }
  if (i < n) {
    const Vec v = f(load_first(x + i, n - i));
    store_first(y + i, n - i, factor ? mul(v, load_first(factor + i, n - i)) : v);
  }
}

void activate_times(Activation kind, const float* x, const float* factor, Index n, float* y) {
  switch (kind) {
    case Activation::gelu:
      return map(x, factor, n, y, [](Vec v) { return gelu(v); });
    case Activation::gelu_tanh:
      return map(x, factor, n, y, [](Vec v) { return gelu_tanh(v); });
    case Activation::quick_gelu:
      return map(x, factor, n, y, [](Vec v) { return mul(v, sigmoid(mul(v, set1(1.702f)))); });
    case Activation::relu:
      return map(x, factor, n, y, [](Vec v) { return max(zero(), v); });
    case Activation::relu2:
      return map(x, factor, n, y, [](Vec v) { return mul(max(zero(), v), max(zero(), v)); });
    case Activation::silu:
      return map(x, factor, n, y, [](Vec v) { return mul(v, sigmoid(v)); });
    case Activation::tanh:
      return map(x, factor, n, y, [](Vec v) { return tanh(v); });
    case Activation::sigmoid:
      return map(x, factor, n, y, [](Vec v) { return sigmoid(v); });
  }
}

void activate(Activation kind, const float* x, Index n, float* y) {
  activate_times(kind, x, nullptr, n, y);
}

void activate_gated(Activation kind, const float* gate, const float* up, Index n, float* y) {
  activate_times(kind, gate, up, n, y);
}

// Sum of f(x[i]) in 16 lanes.
template <typename F>
LLM_INLINE float sum_of(const float* x, Index n, F f) {
  Vec sum = zero();
  Index i = 0;
  for (; i + 16 <= n; i += 16) sum = add(sum, f(load(x + i)));
  if (i < n) sum = add(sum, keep_range(f(load_first(x + i, n - i)), 0, n - i, zero()));
  return sum_lanes(sum);
}

LLM_INLINE float inverse_root(float sum_of_squares, Index n, float eps) {
  return 1.0f / __builtin_sqrtf(sum_of_squares / static_cast<float>(n) + eps);
}

void rms_norm(const float* x, const float* weight, float eps, Index n, float* y) {
  const Vec scale = set1(inverse_root(sum_of(x, n, [](Vec v) { return mul(v, v); }), n, eps));
  map(x, weight, n, y, [=](Vec v) { return mul(v, scale); });
}

void layer_norm(const float* x, const float* weight, const float* bias, float eps, Index n,
                float* y) {
  const Vec mean = set1(sum_of(x, n, [](Vec v) { return v; }) / static_cast<float>(n));
  const auto square = [=](Vec v) { return mul(sub(v, mean), sub(v, mean)); };
  const Vec scale = set1(inverse_root(sum_of(x, n, square), n, eps));
  map(x, weight, n, y, [=](Vec v) { return mul(sub(v, mean), scale); });
  if (bias == nullptr) return;
  Index i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, add(load(y + i), load(bias + i)));
  if (i < n) {
    store_first(y + i, n - i, add(load_first(y + i, n - i), load_first(bias + i, n - i)));
  }
}

// NaN is passed over; -inf when there is nothing else.
float largest(const float* x, Index n) {
  const Vec none = set1(-__builtin_inff());
  Vec m = none;
  Index i = 0;
  for (; i + 16 <= n; i += 16) m = max(load(x + i), m);
  if (i < n) m = max(keep_range(load_first(x + i, n - i), 0, n - i, none), m);
  return max_lane(m);
}

// ln x for finite x >= 1: x = 2^e f with f in [1/sqrt 2, sqrt 2), ln f = 2 artanh((f-1) / (f+1)) by
// its series, cut below 1e-13.
double log_at_least_one(float x) {
  constexpr double ln2 = 0.693147180559945309;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  int exponent = static_cast<int>(bits >> 23) - 127;
  bits = (bits & 0x7fffffu) | 0x3f800000u;
  float fraction;
  __builtin_memcpy(&fraction, &bits, sizeof bits);
  double f = fraction;
  if (f > 1.41421356) {
    f *= 0.5;
    ++exponent;
  }
  const double s = (f - 1.0) / (f + 1.0), t = s * s;
  double series = 0.0;
  for (int k = 17; k >= 1; k -= 2) series = series * t + 1.0 / k;
  return exponent * ln2 + 2.0 * s * series;
}

LLM_INLINE float log_of_sum(float maximum, float sum) {
  if (!(sum < __builtin_inff())) return sum;  // infinite or NaN
  return static_cast<float>(static_cast<double>(maximum) + log_at_least_one(sum));
}

float softmax(float* x, Index n) {
  const float maximum = largest(x, n);
  if (maximum == -__builtin_inff()) {
    for (Index i = 0; i < n; ++i) x[i] = x[i] < 0.0f ? 0.0f : x[i];  // NaN stays
    return maximum;
  }
  const Vec shift = set1(maximum);
  map(x, nullptr, n, x, [=](Vec v) { return exp_negative(sub(v, shift)); });
  const float sum = sum_of(x, n, [](Vec v) { return v; });
  const Vec divisor = set1(sum);
  map(x, nullptr, n, x, [=](Vec v) { return div(v, divisor); });
  return log_of_sum(maximum, sum);
}

float log_sum_exp(const float* x, Index n) {
  const float maximum = largest(x, n);
  if (maximum == -__builtin_inff()) return maximum;
  const Vec shift = set1(maximum);
  const float sum = sum_of(x, n, [=](Vec v) { return exp_negative(sub(v, shift)); });
  return log_of_sum(maximum, sum);
}

Index argmax(const float* x, Index n) {
  const Vec maximum = set1(largest(x, n));
  Index i = 0;
  for (; i + 16 <= n; i += 16) {
    const unsigned equal = equal_lanes(load(x + i), maximum);
    if (equal != 0) return i + __builtin_ctz(equal);
  }
  for (; i < n; ++i) {
    if (equal_lanes(set1(x[i]), maximum) != 0) return i;
  }
  return 0;
}

}  // namespace
}  // namespace llm::detail
