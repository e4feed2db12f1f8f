/// \file
/// Position schemes as tables: rotations for RoPE, lines of biases for ALiBi and T5.
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <type_traits>
#include <vector>

namespace llm {

/// The rotations of one position: cosines then sines of position * inverse_frequencies[i], computed
/// in double and rounded to S once. `cos_sin` has 2 * inverse_frequencies.size() values.
template <typename S>
void rotary_angles(const std::vector<double>& inverse_frequencies, double attention_factor,
                   std::int64_t position, std::span<S> cos_sin) {
  const std::size_t half = inverse_frequencies.size();
  assert(cos_sin.size() == 2 * half);
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * inverse_frequencies[i];
    cos_sin[i] = static_cast<S>(std::cos(angle) * attention_factor);
    cos_sin[half + i] = static_cast<S>(std::sin(angle) * attention_factor);
  }
}

/// y = x with the pairs (i, i + half) rotated, half = cos_sin.size() / 2; elements from 2 * half on
/// are copied. x == y allowed.
template <typename S>
void rotate(std::span<const std::type_identity_t<S>> x,
            std::span<const std::type_identity_t<S>> cos_sin, std::span<S> y) {
  assert(x.size() == y.size() && cos_sin.size() <= x.size());
  const std::size_t half = cos_sin.size() / 2;
  const S* const c = cos_sin.data();
  const S* const s = c + half;
  const S* const from = x.data();
  S* const to = y.data();
  std::size_t i = 0;
  constexpr std::size_t n = 8;  // as many as a compiler may take at once: loaded, then stored
  for (; i + n <= half; i += n) {
    S a[n], b[n];
    for (std::size_t j = 0; j < n; ++j) a[j] = from[i + j];
    for (std::size_t j = 0; j < n; ++j) b[j] = from[i + j + half];
    S first[n], second[n];
    for (std::size_t j = 0; j < n; ++j) first[j] = a[j] * c[i + j] - b[j] * s[i + j];
    for (std::size_t j = 0; j < n; ++j) second[j] = b[j] * c[i + j] + a[j] * s[i + j];
    for (std::size_t j = 0; j < n; ++j) to[i + j] = first[j];
    for (std::size_t j = 0; j < n; ++j) to[i + j + half] = second[j];
  }
  for (; i < half; ++i) {
    const S a = from[i], b = from[i + half];
    to[i] = a * c[i] - b * s[i];
    to[i + half] = b * c[i] + a * s[i];
  }
  if (from != to) std::copy(from + 2 * half, from + x.size(), to + 2 * half);
}

/// The sinusoidal vector of a position: sines in the first half, cosines in the second (the layout
/// of Marian and Pegasus, modeling_marian.py `create_weight`).
template <typename S>
void sinusoidal_vector(std::int64_t position, std::span<S> out) {
  const std::size_t n = out.size(), sines = n / 2 + n % 2;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t pair = i / 2;
    const double angle =
        static_cast<double>(position) /
        std::pow(10000.0, 2.0 * static_cast<double>(pair) / static_cast<double>(n));
    const std::size_t place = i % 2 == 0 ? pair : sines + pair;
    out[place] = static_cast<S>(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
  }
}

/// The same with the frequencies of tensor2tensor, 10000^(-i/(n/2 - 1)) (M2M-100,
/// modeling_m2m_100.py `get_embedding`); an odd last value is 0.
template <typename S>
void tensor2tensor_vector(std::int64_t position, std::span<S> out) {
  const std::size_t half = out.size() / 2;
  const double step = half > 1 ? std::log(10000.0) / static_cast<double>(half - 1) : 0;
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * std::exp(static_cast<double>(i) * -step);
    out[i] = static_cast<S>(std::sin(angle));
    out[half + i] = static_cast<S>(std::cos(angle));
  }
  if (out.size() % 2 != 0) out.back() = 0;
}

/// Bucket of a distance key - query (T5, `_relative_position_bucket`): one bucket per small
/// distance, logarithmic ones up to max_distance; bidirectional: half of the buckets for each sign.
inline std::int64_t relative_position_bucket(std::int64_t distance, std::int64_t num_buckets,
                                             std::int64_t max_distance, bool bidirectional) {
  std::int64_t bucket = 0;
  std::int64_t n = -distance;
  if (bidirectional) {
    num_buckets /= 2;
    if (distance > 0) bucket = num_buckets;
    n = n < 0 ? -n : n;
  } else if (n < 0) {
    n = 0;
  }
  const std::int64_t exact = num_buckets / 2;
  if (n < exact) return bucket + n;
  const double ratio =
      std::log(double(n) / double(exact)) / std::log(double(max_distance) / double(exact));
  const auto large = exact + static_cast<std::int64_t>(ratio * double(num_buckets - exact));
  return bucket + (large < num_buckets - 1 ? large : num_buckets - 1);
}

/// Bucket of a distance query - key, of the distance's sign: near distances themselves, from half
/// of `buckets` on logarithmic ones, the last one reaching to max_position - 1 (DeBERTa-v2,
/// `make_log_bucket_position`).
inline std::int64_t log_position_bucket(std::int64_t distance, std::int64_t buckets,
                                        std::int64_t max_position) {
  const std::int64_t middle = buckets / 2;
  const std::int64_t away = distance < 0 ? -distance : distance;
  if (away <= middle) return distance;
  const auto near = static_cast<double>(middle);
  const double part = std::log(static_cast<double>(away) / near) /
                      std::log(static_cast<double>(max_position - 1) / near);
  const auto bucket = middle + static_cast<std::int64_t>(std::ceil(part * (near - 1)));
  return distance < 0 ? -bucket : bucket;
}

/// Biases of all heads by distance: line(h)[key - query], times log2 e because attention computes
/// with powers of 2. They can be read for |key - query| < reach().
template <typename S>
class BiasLines {
 public:
  /// Sets all lines; value(head, distance) is the bias as the papers have it.
  template <typename F>
  void fill(std::int64_t heads, std::int64_t reach, F&& value) {
    reach_ = reach;
    values_.resize(static_cast<std::size_t>(heads * 2 * reach));
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t d = -reach; d < reach; ++d) {
        values_[static_cast<std::size_t>((2 * h + 1) * reach + d)] =
            static_cast<S>(value(h, d) * std::numbers::log2e);
      }
    }
  }
  /// Distances below this one can be read.
  std::int64_t reach() const { return reach_; }
  /// Whether there are none.
  bool empty() const { return values_.empty(); }
  /// The line of a head; it points at distance 0 and may be indexed with negative distances.
  const S* line(std::int64_t head) const { return values_.data() + (2 * head + 1) * reach_; }

 private:
  std::int64_t reach_ = 0;
  std::vector<S> values_;
};

}  // namespace llm
