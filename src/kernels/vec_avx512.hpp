// Sixteen float lanes on AVX-512: one register. See vec_generic.hpp for what each operation means.
// Included by the AVX-512 files only; everything here has internal linkage, so that nothing
// compiled for this instruction set can be linked into a caller that runs without it.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/inline.hpp"
#include "kernels/quant_format.hpp"

namespace llm::detail {
namespace {

using Vec = __m512;
using IntVec = __m512i;

// Register tile of the products: 6 rows x 4 vectors = 24 of 32 registers hold sums.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 4;
// Vectors of outputs a tile of R rows takes.
template <int R>
constexpr int row_vectors = tile_vectors;

LLM_INLINE Vec zero() { return _mm512_setzero_ps(); }
LLM_INLINE Vec set1(float value) { return _mm512_set1_ps(value); }
LLM_INLINE Vec load(const float* p) { return _mm512_loadu_ps(p); }
LLM_INLINE void store(float* p, Vec a) { _mm512_storeu_ps(p, a); }
LLM_INLINE __mmask16 first_lanes(std::int64_t n) {
  return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1u);
}
LLM_INLINE Vec load_first(const float* p, std::int64_t n) {
  return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
LLM_INLINE void store_first(float* p, std::int64_t n, Vec a) {
  _mm512_mask_storeu_ps(p, first_lanes(n), a);
}
LLM_INLINE Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
LLM_INLINE Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
LLM_INLINE Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
LLM_INLINE Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
LLM_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
LLM_INLINE Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
LLM_INLINE Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
LLM_INLINE Vec select_less(Vec x, Vec y, Vec a, Vec b) {
  return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), a);
}
LLM_INLINE unsigned equal_lanes(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
LLM_INLINE Vec abs(Vec a) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff)));
}
LLM_INLINE Vec high_bits(Vec a) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(-0x1000)));
}
LLM_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  // 0xca: bitwise mask ? magnitude : sign
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(mask, _mm512_castps_si512(magnitude),
                                                       _mm512_castps_si512(sign), 0xca));
}
LLM_INLINE Vec add_exponent(Vec a, Vec rounded) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a),
                                              _mm512_slli_epi32(_mm512_castps_si512(rounded), 23)));
}
LLM_INLINE Vec keep_range(Vec a, std::int64_t begin, std::int64_t end, Vec other) {
  const auto mask = [](std::int64_t n) { return n <= 0 ? 0u : n >= 16 ? 0xffffu : (1u << n) - 1u; };
  return _mm512_mask_mov_ps(other, __mmask16(mask(end) & ~mask(begin)), a);
}
LLM_INLINE __m256 upper_half(Vec a) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a), 1));
}
LLM_INLINE float sum_lanes(Vec a) {
  const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), upper_half(a));
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
LLM_INLINE float max_lane(Vec a) {
  const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), upper_half(a));
  const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

LLM_INLINE IntVec load_int(const void* p) { return _mm512_loadu_si512(p); }
LLM_INLINE Vec bf16_even(IntVec pairs) { return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)); }
LLM_INLINE Vec bf16_odd(IntVec pairs) {
  return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-0x10000)));
}
LLM_INLINE Vec f16_even(IntVec pairs) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(pairs)); }
LLM_INLINE Vec f16_odd(IntVec pairs) { return f16_even(_mm512_srli_epi32(pairs, 16)); }
LLM_INLINE Vec load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
LLM_INLINE Vec load_bf16(const void* p) {
  const __m256i half = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
LLM_INLINE Vec load_int8(const void* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}

// The nearest bf16, ties to even, as a float; NaN stays one.
LLM_INLINE Vec round_to_bf16(Vec a) {
  const __m512i bits = _mm512_castps_si512(a), upper = _mm512_set1_epi32(-0x10000);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_mask_mov_epi32(up, nan, quiet), upper));
}
LLM_INLINE Vec swap_pairs(Vec a) { return _mm512_permute_ps(a, 0xb1); }
// The upper halves of `rounded`, 32 bytes.
LLM_INLINE void store_bf16(void* p, Vec rounded) {
  const __m512i upper = _mm512_srli_epi32(_mm512_castps_si512(rounded), 16);
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(upper));
}
// sum + the products of two bf16, the odd ones first.
#if defined(__AVX512BF16__)
constexpr bool has_bf16_products = true;
LLM_INLINE Vec dot_bf16(Vec sum, Vec x, Vec w) {
  // Not the intrinsic, for the reason dot_pairs() gives.
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
  return sum;
}
#else
constexpr bool has_bf16_products = false;
LLM_INLINE Vec dot_bf16(Vec sum, Vec, Vec) { return sum; }
#endif

// Register tile of the integer products: 3 rows x 4 vectors, each with an integer and a float sum,
// are 24 of 32 registers.
constexpr int quant_rows = 3;
template <int R>
constexpr int quant_vectors = 4;
// The same where integer sums are all there is: 6 x 4 of them.
constexpr int one_sum_rows = 6;

LLM_INLINE IntVec set1_int(std::int32_t value) { return _mm512_set1_epi32(value); }
LLM_INLINE IntVec and_int(IntVec a, IntVec b) { return _mm512_and_si512(a, b); }
template <int bits>
LLM_INLINE IntVec shift_right_16(IntVec a) {
  return bits == 0 ? a : _mm512_srli_epi16(a, bits);
}
LLM_INLINE IntVec even_bytes(IntVec a) { return _mm512_srai_epi16(_mm512_slli_epi16(a, 8), 8); }
LLM_INLINE IntVec odd_bytes(IntVec a) { return _mm512_srai_epi16(a, 8); }
using ByteTable = IntVec;
template <NibbleValues values>
LLM_INLINE ByteTable byte_table() {
  static constexpr NibbleTable table = nibble_table(values);
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table.value)));
}
LLM_INLINE IntVec look_up(const ByteTable& table, IntVec index) {
  return _mm512_shuffle_epi8(table, index);
}
LLM_INLINE IntVec dot_pairs(IntVec sum, IntVec a, IntVec b) {
#if defined(__AVX512VNNI__)
  // Not the intrinsic: around it g++ 12 moves every sum through memory.
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
#else
  return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
}
// Products of four bytes, unsigned times signed: signed ones are moved up by the offset.
constexpr int byte_offset = 128;
#if defined(__AVX512VNNI__)
constexpr bool has_byte_products = true;
LLM_INLINE IntVec dot_quads(IntVec sum, IntVec a, IntVec b) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum;
}
#else
constexpr bool has_byte_products = false;
LLM_INLINE IntVec dot_quads(IntVec sum, IntVec, IntVec) { return sum; }
#endif
LLM_INLINE IntVec flip_signs(IntVec a) { return _mm512_xor_si512(a, _mm512_set1_epi8(-128)); }
LLM_INLINE void store_bytes(std::byte* p, IntVec a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a));
}
LLM_INLINE Vec to_float(IntVec a) { return _mm512_cvtepi32_ps(a); }
LLM_INLINE IntVec round_to_int(Vec a) { return _mm512_cvtps_epi32(a); }
LLM_INLINE IntVec bits_of(Vec a) { return _mm512_castps_si512(a); }
LLM_INLINE IntVec max_int(IntVec a, IntVec b) { return _mm512_max_epi32(a, b); }
LLM_INLINE std::int32_t largest_lane(IntVec a) { return _mm512_reduce_max_epi32(a); }
LLM_INLINE std::int32_t sum_int_lanes(IntVec a) { return _mm512_reduce_add_epi32(a); }
LLM_INLINE void store_pairs(std::byte* p, IntVec a) {
  const __m256i narrow = _mm512_cvtepi32_epi16(a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(narrow, 0xd8), 0xd8));
}

}  // namespace
}  // namespace llm::detail
