// The two 16-bit float formats of weight files, widened exactly. Plain integer code without
// branches, so that the compiler vectorizes a loop over it for any machine.
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
  constexpr std::uint32_t smallest_normal = (127u - 14u) << 23;
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t shifted = (bits & 0x7fffu) << 13;  // exponent in bits 23 to 27
  const std::uint32_t exponent = shifted & (31u << 23);
  // Masks by arithmetic: from a comparison the compiler would make a branch.
  const std::uint32_t if_largest = 0u - ((exponent + (1u << 23)) >> 28);
  const std::uint32_t if_zero = 0u - ((exponent - 1) >> 31);
  // Infinity and NaN: the largest exponent must become the largest one again.
  const std::uint32_t normal = shifted + rebias + (if_largest & rebias);
  // Zero and subnormals: 2^-14 * (1 + fraction) - 2^-14, which is exact.
  const auto small = std::bit_cast<std::uint32_t>(std::bit_cast<float>(shifted + smallest_normal) -
                                                  std::bit_cast<float>(smallest_normal));
  return std::bit_cast<float>(sign | (small & if_zero) | (normal & ~if_zero));
}

}  // namespace llm::detail
