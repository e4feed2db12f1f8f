// The loops over blocks of 32 values, written once and compiled for each instruction set
// (encode_<level>.cpp). A lane has a block of its own and no operation is fused, so the width of
// the vectors does not change the results. Internal linkage throughout, no standard templates:
// nothing compiled here may be shared with other files.
#pragma once

#include <cstdint>
#include <cstring>

#include "weights/encode_kernels.hpp"

namespace llm::detail {
namespace {

#if defined(__AVX512F__)
constexpr int width = 16;
#elif defined(__AVX2__)
constexpr int width = 8;
#else
constexpr int width = 4;
#endif
constexpr int block = 32;

typedef float Lanes __attribute__((vector_size(4 * width)));
typedef std::int32_t Ints __attribute__((vector_size(4 * width)));
typedef std::int8_t Bytes __attribute__((vector_size(width)));

// If one is NaN: b.
inline Lanes smaller(const Lanes& a, const Lanes& b) { return a < b ? a : b; }
inline Lanes larger(const Lanes& a, const Lanes& b) { return a > b ? a : b; }
inline Lanes all(float value) { return Lanes{} + value; }
// To the nearest whole number, ties to even; up to 2^22.
inline Lanes rounded(const Lanes& a) {
  constexpr float to_nearest = 0x1.8p23f;  // at this size the unit of a float is 1
  return (a + to_nearest) - to_nearest;
}

// Value k of `width` blocks; after the last of `count` blocks it is repeated.
struct Blocks {
  Lanes x[block];
};
inline void load(const float* values, std::int64_t count, Blocks& b) {
  float* const to = reinterpret_cast<float*>(b.x);
  for (int lane = 0; lane < width; ++lane) {
    const float* const from = values + (lane < count ? lane : count - 1) * block;
    for (int k = 0; k < block; ++k) to[k * width + lane] = from[k];
  }
}

inline void store(const Lanes& a, std::int64_t count, float* to) {
  std::memcpy(to, &a, static_cast<std::size_t>(count < width ? count : width) * sizeof(float));
}

// NaN where a value of the block is not finite, else 0.
inline Lanes nan_unless_finite(const Blocks& b) {
  Lanes zero = {};
  for (const Lanes& x : b.x) zero += x * 0.0f;
  return zero;
}

void largest_magnitudes(const float* values, std::int64_t count, float* largest) {
  Blocks b;
  for (std::int64_t i = 0; i < count; i += width) {
    load(values + i * block, count - i, b);
    Lanes low = {}, high = {};
    for (const Lanes& x : b.x) {
      low = smaller(x, low);
      high = larger(x, high);
    }
    store(larger(high, -low) + nan_unless_finite(b), count - i, largest + i);
  }
}

// Codes 0 .. 15 by y * inverse + start, then the line through (code, y) with the least squared
// error: y is about slope * code + offset.
struct Fit {
  Lanes slope, offset;
  Lanes explained;  // part of the sum of squares of y
};

inline void fit_line(const Blocks& y, const Lanes& sum_y, const Lanes& inverse, const Lanes& start,
                     Fit& fit) {
  Lanes q = {}, qq = {}, qy = {};
  for (const Lanes& value : y.x) {
    const Lanes code = rounded(smaller(larger(value * inverse + start, all(0)), all(15)));
    q += code;
    qq += code * code;
    qy += code * value;
  }
  const Lanes covariance = qy - q * sum_y * (1.0f / block);
  const Lanes variance = larger(qq - q * q * (1.0f / block), all(1e-3f));  // 0: all codes are equal
  fit.slope = covariance / variance;
  fit.offset = (sum_y - fit.slope * q) * (1.0f / block);
  fit.explained = fit.slope * covariance;
}

inline void keep_better(const Fit& candidate, Fit& best) {
  const Ints better = candidate.explained > best.explained;
  best.slope = better ? candidate.slope : best.slope;
  best.offset = better ? candidate.offset : best.offset;
  best.explained = better ? candidate.explained : best.explained;
}

// The best line for y, values between 0 and 15: first with ranges that leave out a little at both
// ends (a large value may be cut off), then with the codes of the best line so far. On real weights
// the error is within 1.5 % of what a hundred ranges reach.
inline void best_line(const Blocks& y, Fit& best) {
  constexpr float cuts[] = {0.0f, 0.6f};  // in steps of the whole range / 15
  Lanes sum = {};
  for (const Lanes& value : y.x) sum += value;
  best.slope = all(1);
  best.offset = all(0);
  best.explained = all(-1);
  Fit fit;
  for (const float low : cuts) {
    for (const float high : cuts) {
      const float inverse = 15 / (15 - low - high);
      fit_line(y, sum, all(inverse), all(-low * inverse), fit);
      keep_better(fit, best);
    }
  }
  for (int i = 0; i < 2; ++i) {
    const Lanes inverse = 1 / best.slope;
    fit_line(y, sum, inverse, -best.offset * inverse, fit);
    keep_better(fit, best);
  }
}

void fit_lines(const float* values, std::int64_t count, float* scales, float* minimums) {
  Blocks b;
  for (std::int64_t i = 0; i < count; i += width) {
    load(values + i * block, count - i, b);
    const Lanes nan = nan_unless_finite(b);
    Lanes low = b.x[0], high = b.x[0];
    for (const Lanes& x : b.x) {
      low = smaller(x, low);
      high = larger(x, high);
    }
    // Below the smallest half all values count as equal.
    const Ints flat = (high - low) <= 1e-7f;
    const Lanes unit = flat ? all(1) : (high - low) * (1.0f / 15), inverse = 1 / unit;
    for (Lanes& x : b.x) x = (x - low) * inverse;
    Fit best;
    best_line(b, best);
    store((flat ? all(0) : best.slope * unit) + nan, count - i, scales + i);
    store(flat ? low : low + best.offset * unit, count - i, minimums + i);
  }
}

void round_to_codes(const float* values, std::int64_t count, const CodeLines& lines,
                    std::int8_t* codes) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float inverse = lines.inverse[i], start = lines.start[i];
    for (int k = 0; k < block; k += width) {
      Lanes x;
      std::memcpy(&x, values + i * block + k, sizeof x);
      const Lanes code =
          rounded(larger(smaller(x * inverse + start, all(lines.highest)), all(lines.lowest)));
      const Bytes bytes = __builtin_convertvector(__builtin_convertvector(code, Ints), Bytes);
      std::memcpy(codes + i * block + k, &bytes, sizeof bytes);
    }
  }
}

}  // namespace
}  // namespace llm::detail
