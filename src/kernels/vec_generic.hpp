// Sixteen float lanes in plain C++, which compilers map to SSE2 or scalars. Here fma rounds twice.
#pragma once

#include "kernels/vec_quarters.hpp"

namespace llm::detail {
namespace {

// Register tile of the products: 2 rows x 1 vector = 8 registers hold sums.
constexpr int tile_rows = 2;
constexpr int tile_vectors = 1;
// Vectors of outputs a tile of R rows takes: few rows need more, to have enough independent sums.
template <int R>
constexpr int row_vectors = R == 1 ? 2 : tile_vectors;

// a * b + c: one rounding where the instruction set has it.
LLM_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return by_quarter([&](int i) { return a.q[i] * b.q[i] + c.q[i]; });
}
// The exponent is moved by a multiplication with 2^112,
// which is exact for subnormal values too; infinity and NaN get their exponent bits by hand.
LLM_INLINE Float4 f16_bits(Uint4 bits) {
  const Uint4 magnitude = (bits & 0x7fffu) << 13;
  const Uint4 finite = as_bits(as_float(magnitude) * splat(0x1p112f));
  const Uint4 special = (Uint4)(magnitude >= (0x7c00u << 13)) & 0x7f800000u;
  return as_float(finite | special | (bits & 0x8000u) << 16);
}

// Products of bf16: only where the machine has them.
constexpr bool has_bf16_products = false;
LLM_INLINE void store_bf16(void*, Vec) {}
LLM_INLINE Vec dot_bf16(Vec sum, Vec, Vec) { return sum; }

// Register tile of the integer products.
constexpr int quant_rows = 2;
constexpr int one_sum_rows = quant_rows;  // where there are no float sums
template <int R>
constexpr int quant_vectors = 1;

// Byte i of the result: what index byte i (0 .. 15) stands for.
using ByteTable = NibbleTable;
template <NibbleValues values>
LLM_INLINE ByteTable byte_table() {
  return nibble_table(values);
}
LLM_INLINE IntVec look_up(const ByteTable& table, IntVec index) {
  std::uint8_t bytes[64];
  __builtin_memcpy(bytes, &index, sizeof bytes);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(table.value[byte & 15]);
  IntVec out;
  __builtin_memcpy(&out, bytes, sizeof bytes);
  return out;
}
// Every lane: sum + the low halves' product + the high halves' product, signed.
LLM_INLINE IntVec dot_pairs(IntVec sum, IntVec a, IntVec b) {
  return int_by_quarter([&](int i) {
    const Int4 x = (Int4)a.q[i], y = (Int4)b.q[i];
    return sum.q[i] + (Uint4)((x >> 16) * (y >> 16)) +
           (Uint4)(((Int4)((Uint4)x << 16) >> 16) * ((Int4)((Uint4)y << 16) >> 16));
  });
}
// Products of four bytes: only where the machine has them, else the operations are never called.
constexpr bool has_byte_products = false;
constexpr int byte_offset = 0;
LLM_INLINE IntVec dot_quads(IntVec sum, IntVec, IntVec) { return sum; }
LLM_INLINE IntVec flip_signs(IntVec a) { return a; }
LLM_INLINE void store_bytes(std::byte*, IntVec) {}

LLM_INLINE std::int32_t largest_lane(IntVec a) {
  std::int32_t lanes[16], largest = INT32_MIN;
  __builtin_memcpy(lanes, &a, sizeof lanes);
  for (const std::int32_t lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}
LLM_INLINE std::int32_t sum_int_lanes(IntVec a) {
  std::int32_t lanes[16], sum = 0;
  __builtin_memcpy(lanes, &a, sizeof lanes);
  for (const std::int32_t lane : lanes) sum += lane;
  return sum;
}

}  // namespace
}  // namespace llm::detail
