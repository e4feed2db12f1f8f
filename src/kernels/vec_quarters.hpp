// Sixteen float lanes as four vectors of four, in the compiler's own vectors: what vec_generic.hpp
// and vec_neon.hpp share. This is also the description of the operations; vec_avx2.hpp and
// vec_avx512.hpp offer the same ones. All of them work lane by lane unless stated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/inline.hpp"
#include "kernels/quant_format.hpp"

namespace llm::detail {
namespace {

typedef float Float4 __attribute__((vector_size(16)));
typedef std::int32_t Int4 __attribute__((vector_size(16)));
typedef std::uint32_t Uint4 __attribute__((vector_size(16)));

struct Vec {
  Float4 q[4];
};
struct IntVec {
  Uint4 q[4];
};

// f(quarter number) for the four quarters.
template <typename F>
LLM_INLINE Vec by_quarter(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
template <typename F>
LLM_INLINE IntVec int_by_quarter(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}
LLM_INLINE Float4 splat(float value) { return Float4{value, value, value, value}; }
LLM_INLINE Float4 as_float(Uint4 bits) { return (Float4)bits; }
LLM_INLINE Uint4 as_bits(Float4 value) { return (Uint4)value; }

LLM_INLINE Vec set1(float value) {
  return by_quarter([=](int) { return splat(value); });
}
LLM_INLINE Vec zero() { return set1(0.0f); }
LLM_INLINE Vec load(const float* p) {
  return by_quarter([=](int i) {  // g++ takes a copy of all four through the stack
    Float4 q;
    __builtin_memcpy(&q, p + 4 * i, sizeof q);
    return q;
  });
}
LLM_INLINE void store(float* p, Vec a) {
  LLM_UNROLL for (int i = 0; i < 4; ++i) __builtin_memcpy(p + 4 * i, &a.q[i], sizeof a.q[i]);
}
// The first n (1..16) values; the other lanes are 0 and their memory is not touched.
LLM_INLINE Vec load_first(const float* p, std::int64_t n) {
  float lanes[16] = {};
  for (std::int64_t i = 0; i < n && i < 16; ++i) lanes[i] = p[i];
  return load(lanes);
}
LLM_INLINE void store_first(float* p, std::int64_t n, Vec a) {
  float lanes[16];
  store(lanes, a);
  for (std::int64_t i = 0; i < n && i < 16; ++i) p[i] = lanes[i];
}
LLM_INLINE Vec add(Vec a, Vec b) {
  return by_quarter([&](int i) { return a.q[i] + b.q[i]; });
}
LLM_INLINE Vec sub(Vec a, Vec b) {
  return by_quarter([&](int i) { return a.q[i] - b.q[i]; });
}
LLM_INLINE Vec mul(Vec a, Vec b) {
  return by_quarter([&](int i) { return a.q[i] * b.q[i]; });
}
LLM_INLINE Vec div(Vec a, Vec b) {
  return by_quarter([&](int i) { return a.q[i] / b.q[i]; });
}
LLM_INLINE Float4 pick(Int4 mask, Float4 a, Float4 b) {
  return as_float(((Uint4)mask & as_bits(a)) | (~(Uint4)mask & as_bits(b)));
}
// a > b ? a : b, hence b when one is NaN.
LLM_INLINE Vec max(Vec a, Vec b) {
  return by_quarter([&](int i) { return pick(a.q[i] > b.q[i], a.q[i], b.q[i]); });
}
// a < b ? a : b, hence b when one is NaN.
LLM_INLINE Vec min(Vec a, Vec b) {
  return by_quarter([&](int i) { return pick(a.q[i] < b.q[i], a.q[i], b.q[i]); });
}
// x < y ? a : b
LLM_INLINE Vec select_less(Vec x, Vec y, Vec a, Vec b) {
  return by_quarter([&](int i) { return pick(x.q[i] < y.q[i], a.q[i], b.q[i]); });
}
// Bit i: lane i of a equals lane i of b.
LLM_INLINE unsigned equal_lanes(Vec a, Vec b) {
  unsigned lanes = 0;
  for (unsigned i = 0; i < 16; ++i) {
    lanes |= (a.q[i / 4][i % 4] == b.q[i / 4][i % 4] ? 1u : 0u) << i;
  }
  return lanes;
}
LLM_INLINE Vec abs(Vec a) {
  return by_quarter([&](int i) { return as_float(as_bits(a.q[i]) & 0x7fffffffu); });
}
// The 12 leading bits of the significand: their square is exact.
LLM_INLINE Vec high_bits(Vec a) {
  return by_quarter([&](int i) { return as_float(as_bits(a.q[i]) & 0xfffff000u); });
}
LLM_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return by_quarter([&](int i) {
    return as_float((as_bits(magnitude.q[i]) & 0x7fffffffu) | (as_bits(sign.q[i]) & 0x80000000u));
  });
}
// a * 2^n, where n is the integer in the low bits of `rounded` (a value plus 1.5 * 2^23).
LLM_INLINE Vec add_exponent(Vec a, Vec rounded) {
  return by_quarter(
      [&](int i) { return as_float(as_bits(a.q[i]) + (as_bits(rounded.q[i]) << 23)); });
}
// Lanes begin <= lane < end of a, the others from `other`; any begin and end.
LLM_INLINE Vec keep_range(Vec a, std::int64_t begin, std::int64_t end, Vec other) {
  const auto b = static_cast<std::int32_t>(begin), e = static_cast<std::int32_t>(end);
  return by_quarter([&](int i) {
    const Int4 lane = Int4{0, 1, 2, 3} + 4 * i;
    return pick((lane >= b) & (lane < e), a.q[i], other.q[i]);
  });
}
// Sum over the lanes by the tree l[i] += l[i+8], l[i] += l[i+4], l[i] += l[i+2], l[0] + l[1].
LLM_INLINE float sum_lanes(Vec a) {
  const Float4 c = (a.q[0] + a.q[2]) + (a.q[1] + a.q[3]);
  return (c[0] + c[2]) + (c[1] + c[3]);
}
LLM_INLINE float max_lane(Vec a) {
  const Float4 b = pick(a.q[0] > a.q[2], a.q[0], a.q[2]), c = pick(a.q[1] > a.q[3], a.q[1], a.q[3]);
  const Float4 d = pick(b > c, b, c);
  const float e = d[0] > d[2] ? d[0] : d[2], f = d[1] > d[3] ? d[1] : d[3];
  return e > f ? e : f;
}

// 16 times 32 bits.
LLM_INLINE IntVec load_int(const void* p) {
  return int_by_quarter([=](int i) {
    Uint4 q;
    __builtin_memcpy(&q, static_cast<const std::byte*>(p) + 16 * i, sizeof q);
    return q;
  });
}
// The low half of every 32 bits as a bf16 value.
LLM_INLINE Vec bf16_even(IntVec pairs) {
  return by_quarter([&](int i) { return as_float(pairs.q[i] << 16); });
}
LLM_INLINE Vec bf16_odd(IntVec pairs) {
  return by_quarter([&](int i) { return as_float(pairs.q[i] & 0xffff0000u); });
}
// The nearest bf16, ties to even, as a float; NaN stays one.
LLM_INLINE Vec round_to_bf16(Vec a) {
  return by_quarter([&](int i) {
    const Uint4 bits = as_bits(a.q[i]);
    const Uint4 up = bits + ((bits >> 16) & 1u) + 0x7fffu;
    const Uint4 nan = (Uint4)((bits & 0x7fffffffu) > 0x7f800000u);
    return as_float(((nan & (bits | 0x400000u)) | (~nan & up)) & 0xffff0000u);
  });
}
LLM_INLINE Vec swap_pairs(Vec a) {
  return by_quarter([&](int i) { return Float4{a.q[i][1], a.q[i][0], a.q[i][3], a.q[i][2]}; });
}
// fp16 bits in the low half of every lane.
LLM_INLINE Float4 f16_bits(Uint4 bits);
LLM_INLINE Vec f16_even(IntVec pairs) {
  return by_quarter([&](int i) { return f16_bits(pairs.q[i] & 0xffffu); });
}
LLM_INLINE Vec f16_odd(IntVec pairs) {
  return by_quarter([&](int i) { return f16_bits(pairs.q[i] >> 16); });
}
// 16 consecutive fp16 values.
LLM_INLINE Vec load_f16(const void* p) {
  std::uint16_t half[16];
  __builtin_memcpy(half, p, sizeof half);
  return by_quarter([&](int i) {
    const std::uint16_t* h = half + 4 * i;
    return f16_bits(Uint4{h[0], h[1], h[2], h[3]});
  });
}
// 16 consecutive bf16 values.
LLM_INLINE Vec load_bf16(const void* p) {
  std::uint16_t half[16];
  __builtin_memcpy(half, p, sizeof half);
  return by_quarter([&](int i) {
    const std::uint16_t* h = half + 4 * i;
    return as_float(Uint4{h[0], h[1], h[2], h[3]} << 16);
  });
}
// 16 consecutive signed bytes.
LLM_INLINE Vec load_int8(const void* p) {
  std::int8_t byte[16];
  __builtin_memcpy(byte, p, sizeof byte);
  return by_quarter([&](int i) {
    const std::int8_t* b = byte + 4 * i;
    return __builtin_convertvector((Int4{b[0], b[1], b[2], b[3]}), Float4);
  });
}

// ------------------------------------------------------------------ integers

LLM_INLINE IntVec set1_int(std::int32_t value) {
  const std::uint32_t v = static_cast<std::uint32_t>(value);
  return int_by_quarter([=](int) { return Uint4{v, v, v, v}; });
}
LLM_INLINE IntVec and_int(IntVec a, IntVec b) {
  return int_by_quarter([&](int i) { return a.q[i] & b.q[i]; });
}
// Both halves of every lane by themselves.
typedef std::uint16_t Uint8 __attribute__((vector_size(16)));
typedef std::int16_t Int8 __attribute__((vector_size(16)));
template <int bits>
LLM_INLINE IntVec shift_right_16(IntVec a) {
  return int_by_quarter([&](int i) { return (Uint4)((Uint8)a.q[i] >> bits); });
}
// Bytes 0 and 2, or 1 and 3, of every lane as two signed 16-bit values.
LLM_INLINE IntVec even_bytes(IntVec a) {
  return int_by_quarter([&](int i) { return (Uint4)((Int8)((Uint8)a.q[i] << 8) >> 8); });
}
LLM_INLINE IntVec odd_bytes(IntVec a) {
  return int_by_quarter([&](int i) { return (Uint4)((Int8)a.q[i] >> 8); });
}
LLM_INLINE Vec to_float(IntVec a) {
  return by_quarter([&](int i) { return __builtin_convertvector((Int4)a.q[i], Float4); });
}
// To the nearest integer, ties to even; |a| < 2^22.
LLM_INLINE IntVec round_to_int(Vec a) {
  return int_by_quarter(
      [&](int i) { return as_bits(a.q[i] + splat(0x1.8p23f)) - as_bits(splat(0x1.8p23f)); });
}
LLM_INLINE IntVec bits_of(Vec a) {
  return int_by_quarter([&](int i) { return as_bits(a.q[i]); });
}
// Signed.
LLM_INLINE IntVec max_int(IntVec a, IntVec b) {
  return int_by_quarter([&](int i) {
    const Uint4 mask = (Uint4)((Int4)a.q[i] > (Int4)b.q[i]);
    return (mask & a.q[i]) | (~mask & b.q[i]);
  });
}
// 16 values that fit 16 bits, in every 4 the order 0 2 1 3.
LLM_INLINE void store_pairs(std::byte* p, IntVec a) {
  std::int32_t lanes[16];
  __builtin_memcpy(lanes, &a, sizeof lanes);
  for (int i = 0; i < 16; ++i) {
    const int from = i % 4 == 1 ? i + 1 : i % 4 == 2 ? i - 1 : i;
    const auto value = static_cast<std::int16_t>(lanes[from]);
    __builtin_memcpy(p + 2 * i, &value, 2);
  }
}

}  // namespace
}  // namespace llm::detail
