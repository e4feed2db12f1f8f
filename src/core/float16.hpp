// The two 16-bit float formats of weight files, widened exactly. Plain integer code, so that the
// compiler can vectorize a loop over it for any machine.
#pragma once

#include <bit>
#include <cstdint>

namespace llm::detail {

// bfloat16 is the upper half of a float32.
inline float bf16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// IEEE 754 binary16: 5 bits of exponent (bias 15), 10 of fraction; NaNs keep their payload.
inline float f16_to_float(std::uint16_t bits) {
  constexpr std::uint32_t rebias = (127u - 15u) << 23;
  constexpr std::uint32_t exponent_mask = 0x1fu << 23;
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t shifted = (bits & 0x7fffu) << 13;
  const std::uint32_t exponent = shifted & exponent_mask;
  // Infinity and NaN: the largest exponent must become the largest one again.
  const std::uint32_t top = exponent == exponent_mask ? rebias : 0;
  const std::uint32_t normal = shifted + rebias + top;
  // Zero and subnormals: 2^-14 * (1 + fraction) - 2^-14, which is exact.
  constexpr std::uint32_t smallest_normal = 113u << 23;
  const float small =
      std::bit_cast<float>(shifted + smallest_normal) - std::bit_cast<float>(smallest_normal);
  const std::uint32_t magnitude = exponent == 0 ? std::bit_cast<std::uint32_t>(small) : normal;
  return std::bit_cast<float>(magnitude | sign);
}

}  // namespace llm::detail
