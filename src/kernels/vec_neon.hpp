// Sixteen float lanes on ARM's NEON: four registers. Included by the NEON files only.
#pragma once

#include <arm_neon.h>

#include "kernels/vec_quarters.hpp"

namespace llm::detail {
namespace {

// Register tile of the products: 6 rows x 1 vector = 24 of 32 registers hold sums.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 1;
// Vectors of outputs a tile of R rows takes: few rows need more, to have enough independent sums.
template <int R>
constexpr int row_vectors = R == 1   ? 4
                            : R == 2 ? 2
                                     : tile_vectors;

LLM_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return by_quarter([&](int i) {
    return (Float4)vfmaq_f32((float32x4_t)c.q[i], (float32x4_t)a.q[i], (float32x4_t)b.q[i]);
  });
}
LLM_INLINE Float4 f16_bits(Uint4 bits) {
  return (Float4)vcvt_f32_f16((float16x4_t)vmovn_u32((uint32x4_t)bits));
}

// The upper halves of `rounded`, 32 bytes.
LLM_INLINE void store_bf16(void* p, Vec rounded) {
  for (int i = 0; i < 4; ++i) {
    vst1_u16(static_cast<std::uint16_t*>(p) + 4 * i, vshrn_n_u32((uint32x4_t)rounded.q[i], 16));
  }
}
// sum + the products of two bf16, the odd ones first. Not the instruction for both at once
// (bfdot): it rounds the sum of the two products to odd.
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
constexpr bool has_bf16_products = true;
LLM_INLINE Vec dot_bf16(Vec sum, Vec x, Vec w) {
  return by_quarter([&](int i) {
    const bfloat16x8_t a = (bfloat16x8_t)x.q[i], b = (bfloat16x8_t)w.q[i];
    return (Float4)vbfmlalbq_f32(vbfmlaltq_f32((float32x4_t)sum.q[i], a, b), a, b);
  });
}
#else
constexpr bool has_bf16_products = false;
LLM_INLINE Vec dot_bf16(Vec sum, Vec, Vec) { return sum; }
#endif

// Register tile of the integer products: 4 rows x 1 vector of integer sums are 16 registers. The
// float sums wait in memory.
constexpr int quant_rows = 4;
constexpr int one_sum_rows = quant_rows;  // where there are no float sums
template <int R>
constexpr int quant_vectors = R == 1   ? 4
                              : R == 2 ? 2
                                       : 1;

using ByteTable = uint8x16_t;
template <NibbleValues values>
LLM_INLINE ByteTable byte_table() {
  static constexpr NibbleTable table = nibble_table(values);
  return vld1q_u8(reinterpret_cast<const std::uint8_t*>(table.value));
}
LLM_INLINE IntVec look_up(const ByteTable& table, IntVec index) {
  return int_by_quarter([&](int i) { return (Uint4)vqtbl1q_u8(table, (uint8x16_t)index.q[i]); });
}
LLM_INLINE IntVec dot_pairs(IntVec sum, IntVec a, IntVec b) {
  return int_by_quarter([&](int i) {
    const int16x8_t x = (int16x8_t)a.q[i], y = (int16x8_t)b.q[i];
    const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y));
    return sum.q[i] + (Uint4)vpaddq_s32(low, vmull_high_s16(x, y));
  });
}
// Products of four bytes, signed both.
constexpr int byte_offset = 0;
LLM_INLINE IntVec flip_signs(IntVec a) { return a; }
#if defined(__ARM_FEATURE_DOTPROD)
constexpr bool has_byte_products = true;
LLM_INLINE IntVec dot_quads(IntVec sum, IntVec a, IntVec b) {
  return int_by_quarter([&](int i) {
    return (Uint4)vdotq_s32((int32x4_t)sum.q[i], (int8x16_t)a.q[i], (int8x16_t)b.q[i]);
  });
}
#else
constexpr bool has_byte_products = false;
LLM_INLINE IntVec dot_quads(IntVec sum, IntVec, IntVec) { return sum; }
#endif
LLM_INLINE void store_bytes(std::byte* p, IntVec a) {
  const int16x8_t low = vcombine_s16(vmovn_s32((int32x4_t)a.q[0]), vmovn_s32((int32x4_t)a.q[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32((int32x4_t)a.q[2]), vmovn_s32((int32x4_t)a.q[3]));
  vst1q_s8(reinterpret_cast<std::int8_t*>(p), vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
LLM_INLINE std::int32_t largest_lane(IntVec a) {
  const int32x4_t b = vmaxq_s32((int32x4_t)a.q[0], (int32x4_t)a.q[1]);
  return vmaxvq_s32(vmaxq_s32(b, vmaxq_s32((int32x4_t)a.q[2], (int32x4_t)a.q[3])));
}
LLM_INLINE std::int32_t sum_int_lanes(IntVec a) {
  return vaddvq_s32((int32x4_t)(a.q[0] + a.q[1] + a.q[2] + a.q[3]));
}

}  // namespace
}  // namespace llm::detail
