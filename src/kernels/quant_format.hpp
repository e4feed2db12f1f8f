// How quantized types lie in panels: which codes, which scales. Plain data, shared by the packing
// and by the kernels; everything has internal linkage, because the kernels compile it for their own
// instruction sets.
#pragma once

#include <cstdint>

#include "llm/core/dtype.hpp"

namespace llm::detail {
namespace {

// What a code of four bits stands for.
enum class NibbleValues : std::uint8_t {
  plain,        // 0 .. 15
  minus_8,      // -8 .. 7
  minus_4,      // -4 .. 11
  non_linear,   // the table of IQ4
  fp4_doubled,  // twice the values of a 4-bit float (1 sign, 2 exponent, 1 mantissa bit)
};

// value = scale * code (+ minimum).
struct QuantFormat {
  bool nibbles = true;  // codes of four bits; else signed bytes
  NibbleValues values = NibbleValues::plain;
  bool minimum = false;
  // Blocks of 256 share an fp16 scale (and minimum), which a signed byte per group multiplies.
  // Otherwise every 32 columns have a scale (and minimum) of their own.
  bool nested = false;
  int group = 32;            // columns that share a scale: 16 (nested only) or 32
  bool bf16_scales = false;  // instead of fp16
  // One float scale per output, behind all codes of a panel, instead of one per group.
  bool per_channel = false;

  // Bytes per panel of 64 outputs.
  constexpr std::int64_t code_bytes() const { return 64 * (nibbles ? 16 : 32); }  // 32 columns
  constexpr std::int64_t head_bytes() const { return per_channel ? 0 : 64 * 2 * (minimum ? 2 : 1); }
  constexpr std::int64_t group_bytes() const { return 64 * (minimum ? 2 : 1) * (32 / group); }
  // 32 columns of a type that is not nested, 256 of one that is.
  constexpr std::int64_t block_bytes() const {
    return nested ? head_bytes() + 8 * (code_bytes() + group_bytes()) : code_bytes() + head_bytes();
  }
  constexpr std::int64_t tail_bytes() const { return per_channel ? 64 * 4 : 0; }  // once a panel
};

constexpr QuantFormat quant_format(DType dtype) {
  using enum NibbleValues;
  switch (dtype) {
    case DType::q4_0:
      return {.values = minus_8};
    case DType::q4_1:
      return {.minimum = true};
    case DType::q5_1:
      return {.nibbles = false, .minimum = true};
    case DType::iq4_nl:
      return {.values = non_linear};
    case DType::mxfp4:
      return {.values = fp4_doubled, .bf16_scales = true};
    case DType::q2_k:
      return {.minimum = true, .nested = true, .group = 16};
    case DType::q3_k:
      return {.values = minus_4, .nested = true, .group = 16};
    case DType::q4_k:
      return {.minimum = true, .nested = true};
    case DType::q5_k:
      return {.nibbles = false, .minimum = true, .nested = true};
    case DType::q6_k:
      return {.nibbles = false, .nested = true, .group = 16};
    case DType::iq4_xs:
      return {.values = non_linear, .nested = true};
    case DType::q8_channel:
      return {.nibbles = false, .per_channel = true};
    default:  // q8_0, q5_0
      return {.nibbles = false};
  }
}

// Columns k of 32 in a block of codes: bytes of four consecutive columns of one output lie
// together, so that a 32-bit lane belongs to one output.
//   bytes    [8][64][4]: column 4c + b
//   nibbles  [4][64][4]: low half column 8c + b, high half column 8c + 4 + b

// Whether codes stand for consecutive numbers.
constexpr bool is_counting(NibbleValues values) {
  return values != NibbleValues::non_linear && values != NibbleValues::fp4_doubled;
}

constexpr int nibble_value(NibbleValues values, int code) {
  constexpr int non_linear_table[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
  constexpr int fp4_table[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  switch (values) {
    case NibbleValues::plain:
      break;
    case NibbleValues::minus_8:
      return code - 8;
    case NibbleValues::minus_4:
      return code - 4;
    case NibbleValues::non_linear:
      return non_linear_table[code];
    case NibbleValues::fp4_doubled:
      return fp4_table[code];
  }
  return code;
}

// What the 16 codes stand for; all of them are small integers.
struct NibbleTable {
  std::int8_t value[16];
};
constexpr NibbleTable nibble_table(NibbleValues values) {
  NibbleTable table{};
  for (int code = 0; code < 16; ++code) {
    table.value[code] = static_cast<std::int8_t>(nibble_value(values, code));
  }
  return table;
}

}  // namespace
}  // namespace llm::detail
