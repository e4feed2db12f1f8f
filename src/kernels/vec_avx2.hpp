// Sixteen float lanes on AVX2 + FMA + F16C: two registers. See vec_generic.hpp for what each
// operation means. Included by kernels_avx2.cpp only; everything here has internal linkage, so that
// nothing compiled for this instruction set can be linked into a caller that runs without it.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/inline.hpp"
#include "kernels/quant_format.hpp"

namespace llm::detail {
namespace {

struct Vec {
  __m256 lo, hi;
};
struct IntVec {
  __m256i lo, hi;
};

// Register tile of the products: 6 rows x 1 vector = 12 of 16 registers hold sums.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 1;
// Vectors of outputs a tile of R rows takes: few rows need more, to have enough independent sums.
template <int R>
constexpr int row_vectors = R == 1   ? 4
                            : R == 2 ? 2
                                     : tile_vectors;

LLM_INLINE Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
LLM_INLINE Vec set1(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
LLM_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LLM_INLINE void store(float* p, Vec a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
LLM_INLINE __m256i lane_numbers() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
LLM_INLINE __m256i first_lanes(std::int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane_numbers());
}
LLM_INLINE Vec load_first(const float* p, std::int64_t n) {
  return {_mm256_maskload_ps(p, first_lanes(n)),
          n > 8 ? _mm256_maskload_ps(p + 8, first_lanes(n - 8)) : _mm256_setzero_ps()};
}
LLM_INLINE void store_first(float* p, std::int64_t n, Vec a) {
  _mm256_maskstore_ps(p, first_lanes(n), a.lo);
  if (n > 8) _mm256_maskstore_ps(p + 8, first_lanes(n - 8), a.hi);
}
LLM_INLINE Vec add(Vec a, Vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
LLM_INLINE Vec sub(Vec a, Vec b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
LLM_INLINE Vec mul(Vec a, Vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
LLM_INLINE Vec div(Vec a, Vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
LLM_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
LLM_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
LLM_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
LLM_INLINE Vec select_less(Vec x, Vec y, Vec a, Vec b) {
  return {_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, y.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, y.hi, _CMP_LT_OQ))};
}
LLM_INLINE unsigned equal_lanes(Vec a, Vec b) {
  const int lo = _mm256_movemask_ps(_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ));
  const int hi = _mm256_movemask_ps(_mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ));
  return static_cast<unsigned>(lo | hi << 8);
}
LLM_INLINE Vec and_bits(Vec a, int mask) {
  const __m256 m = _mm256_castsi256_ps(_mm256_set1_epi32(mask));
  return {_mm256_and_ps(a.lo, m), _mm256_and_ps(a.hi, m)};
}
LLM_INLINE Vec abs(Vec a) { return and_bits(a, 0x7fffffff); }
LLM_INLINE Vec high_bits(Vec a) { return and_bits(a, -0x1000); }
LLM_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  const __m256 m = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  return {_mm256_or_ps(_mm256_and_ps(m, magnitude.lo), _mm256_andnot_ps(m, sign.lo)),
          _mm256_or_ps(_mm256_and_ps(m, magnitude.hi), _mm256_andnot_ps(m, sign.hi))};
}
LLM_INLINE __m256 add_exponent_half(__m256 a, __m256 rounded) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a),
                                              _mm256_slli_epi32(_mm256_castps_si256(rounded), 23)));
}
LLM_INLINE Vec add_exponent(Vec a, Vec rounded) {
  return {add_exponent_half(a.lo, rounded.lo), add_exponent_half(a.hi, rounded.hi)};
}
LLM_INLINE __m256 keep_range_half(__m256 a, int begin, int end, __m256 other) {
  const __m256i lane = lane_numbers();
  const __m256i keep = _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(begin), lane),
                                           _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane));
  return _mm256_blendv_ps(other, a, _mm256_castsi256_ps(keep));
}
LLM_INLINE Vec keep_range(Vec a, std::int64_t begin, std::int64_t end, Vec other) {
  const int b = static_cast<int>(begin), e = static_cast<int>(end);
  return {keep_range_half(a.lo, b, e, other.lo), keep_range_half(a.hi, b - 8, e - 8, other.hi)};
}
LLM_INLINE float sum_lanes(Vec a) {
  const __m256 b = _mm256_add_ps(a.lo, a.hi);
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
LLM_INLINE float max_lane(Vec a) {
  const __m256 b = _mm256_max_ps(a.lo, a.hi);
  const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

LLM_INLINE IntVec load_int(const void* p) {
  const __m256i* q = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
LLM_INLINE Vec bf16_even(IntVec pairs) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(pairs.lo, 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(pairs.hi, 16))};
}
LLM_INLINE Vec bf16_odd(IntVec pairs) {
  const __m256i m = _mm256_set1_epi32(-0x10000);
  return {_mm256_castsi256_ps(_mm256_and_si256(pairs.lo, m)),
          _mm256_castsi256_ps(_mm256_and_si256(pairs.hi, m))};
}
LLM_INLINE Vec load_f16(const void* p) {
  const __m128i* q = static_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(q)), _mm256_cvtph_ps(_mm_loadu_si128(q + 1))};
}
LLM_INLINE Vec load_bf16(const void* p) {
  const __m128i* q = static_cast<const __m128i*>(p);
  const auto widen = [](__m128i half) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  };
  return {widen(_mm_loadu_si128(q)), widen(_mm_loadu_si128(q + 1))};
}
LLM_INLINE Vec load_int8(const void* p) {
  const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
// The low 16 bits of every 32-bit lane as fp16. The pack works within 128-bit halves; the
// permutation puts its quarters back in order.
LLM_INLINE Vec low_f16(__m256i lo, __m256i hi) {
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(lo, hi), 0xd8);
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(packed)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(packed, 1))};
}
// See vec_avx512.hpp.
LLM_INLINE __m256 round_to_bf16_half(__m256 a) {
  const __m256i bits = _mm256_castps_si256(a), upper = _mm256_set1_epi32(-0x10000);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 nan = _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
  return _mm256_and_ps(_mm256_castsi256_ps(upper),
                       _mm256_blendv_ps(_mm256_castsi256_ps(up), _mm256_castsi256_ps(quiet), nan));
}
LLM_INLINE Vec round_to_bf16(Vec a) { return {round_to_bf16_half(a.lo), round_to_bf16_half(a.hi)}; }
LLM_INLINE Vec swap_pairs(Vec a) {
  return {_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)};
}
constexpr bool has_bf16_products = false;
LLM_INLINE Vec dot_bf16(Vec sum, Vec, Vec) { return sum; }
LLM_INLINE void store_bf16(void*, Vec) {}
LLM_INLINE Vec f16_even(IntVec pairs) {
  const __m256i m = _mm256_set1_epi32(0xffff);
  return low_f16(_mm256_and_si256(pairs.lo, m), _mm256_and_si256(pairs.hi, m));
}
LLM_INLINE Vec f16_odd(IntVec pairs) {
  return low_f16(_mm256_srli_epi32(pairs.lo, 16), _mm256_srli_epi32(pairs.hi, 16));
}

// Register tile of the integer products: 4 vectors of integer sums are 8 of 16 registers. The float
// sums wait in memory.
constexpr int quant_rows = 4;
constexpr int one_sum_rows = quant_rows;  // where there are no float sums
template <int R>
constexpr int quant_vectors = R == 1   ? 4
                              : R == 2 ? 2
                                       : 1;

LLM_INLINE IntVec set1_int(std::int32_t value) {
  return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
}
LLM_INLINE IntVec and_int(IntVec a, IntVec b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
template <int bits>
LLM_INLINE IntVec shift_right_16(IntVec a) {
  if constexpr (bits == 0) return a;
  return {_mm256_srli_epi16(a.lo, bits), _mm256_srli_epi16(a.hi, bits)};
}
LLM_INLINE IntVec odd_bytes(IntVec a) {
  return {_mm256_srai_epi16(a.lo, 8), _mm256_srai_epi16(a.hi, 8)};
}
LLM_INLINE IntVec even_bytes(IntVec a) {
  return odd_bytes({_mm256_slli_epi16(a.lo, 8), _mm256_slli_epi16(a.hi, 8)});
}
using ByteTable = __m256i;
template <NibbleValues values>
LLM_INLINE ByteTable byte_table() {
  static constexpr NibbleTable table = nibble_table(values);
  return _mm256_broadcastsi128_si256(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(table.value)));
}
LLM_INLINE IntVec look_up(const ByteTable& table, IntVec index) {
  return {_mm256_shuffle_epi8(table, index.lo), _mm256_shuffle_epi8(table, index.hi)};
}
LLM_INLINE IntVec dot_pairs(IntVec sum, IntVec a, IntVec b) {
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(a.lo, b.lo)),
          _mm256_add_epi32(sum.hi, _mm256_madd_epi16(a.hi, b.hi))};
}
constexpr bool has_byte_products = false;  // of any sign and size
constexpr int byte_offset = 0;
LLM_INLINE IntVec dot_quads(IntVec sum, IntVec, IntVec) { return sum; }
LLM_INLINE IntVec flip_signs(IntVec a) { return a; }
LLM_INLINE void store_bytes(std::byte*, IntVec) {}
LLM_INLINE Vec to_float(IntVec a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
LLM_INLINE IntVec round_to_int(Vec a) {
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
LLM_INLINE IntVec bits_of(Vec a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
LLM_INLINE IntVec max_int(IntVec a, IntVec b) {
  return {_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)};
}
LLM_INLINE std::int32_t largest_lane(IntVec a) {
  const __m256i b = _mm256_max_epi32(a.lo, a.hi);
  const __m128i c = _mm_max_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  const __m128i d = _mm_max_epi32(c, _mm_shuffle_epi32(c, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(d, _mm_shuffle_epi32(d, 0xb1)));
}
LLM_INLINE std::int32_t sum_int_lanes(IntVec a) {
  const __m256i b = _mm256_add_epi32(a.lo, a.hi);
  const __m128i c = _mm_add_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  const __m128i d = _mm_add_epi32(c, _mm_shuffle_epi32(c, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(d, _mm_shuffle_epi32(d, 0xb1)));
}
LLM_INLINE void store_pairs(std::byte* p, IntVec a) {
  // The pack works within 128-bit halves; the permutation puts its quarters back in order.
  const __m256i narrow = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(narrow, 0xd8), 0xd8));
}

}  // namespace
}  // namespace llm::detail
