// The two 16-bit float formats of weight files. Widening is exact, in plain integer code without
// branches, so that the compiler vectorizes a loop over it for any machine. Also rounding to them.
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
  // Masks by arithmetic: for a comparison the compiler would make a branch.
  const std::uint32_t if_largest = 0u - ((exponent + (1u << 23)) >> 28);
  const std::uint32_t if_zero = 0u - ((exponent - 1) >> 31);
  // Infinity and NaN: the largest exponent must stay the largest one.
  const std::uint32_t normal = shifted + rebias + (if_largest & rebias);
  // Zero and subnormals: 2^-14 * (1 + fraction) - 2^-14, which is exact.
  const auto small = std::bit_cast<std::uint32_t>(std::bit_cast<float>(shifted + smallest_normal) -
                                                  std::bit_cast<float>(smallest_normal));
  return std::bit_cast<float>(sign | (small & if_zero) | (normal & ~if_zero));
}

// The nearest value with so many bits of exponent and fraction, ties to even; infinity above the
// largest one.
template <int exponent_bits, int fraction_bits>
std::uint16_t narrow_double(double value) {
  constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  constexpr int infinity = ((1 << exponent_bits) - 1) << fraction_bits;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const auto sign = static_cast<int>(bits >> 63 << 15);
  int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  if (value != value) return static_cast<std::uint16_t>(sign | infinity | 1 << (fraction_bits - 1));
  if (exponent > bias) return static_cast<std::uint16_t>(sign | infinity);
  if (exponent < 1 - bias) exponent = 1 - bias;  // subnormal: the unit gets no smaller
  const double units_per_one =
      std::bit_cast<double>(static_cast<std::uint64_t>(1023 - exponent + fraction_bits) << 52);
  constexpr double rounder = 0x1p52;  // at this size the unit of a double is 1
  const double magnitude = value < 0 ? -value : value;
  const auto units = static_cast<int>(magnitude * units_per_one + rounder - rounder);
  // A carry out of the fraction raises the exponent, up to infinity.
  return static_cast<std::uint16_t>(sign | (((exponent + bias - 1) << fraction_bits) + units));
}
inline std::uint16_t double_to_f16(double value) { return narrow_double<5, 10>(value); }
inline std::uint16_t double_to_bf16(double value) { return narrow_double<8, 7>(value); }

}  // namespace llm::detail
