/// \file
/// Element types of tensors in files and of weights in memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace llm {

/// Element type. The quantized types store blocks of 32 or 256 values along a row. GGUF defines
/// them all but q8_channel.
enum class DType : std::uint8_t {
  f64,
  f32,
  f16,
  bf16,
  i64,
  i32,
  i16,
  i8,
  u8,
  boolean,
  // quantized, blocks of 32
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  iq4_nl,
  mxfp4,
  q8_channel,  ///< signed bytes with one float32 scale per row; in memory only. Kept by rows, a
               ///< block is the row's scale and 32 codes
  // quantized, blocks of 256
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_xs,
};

/// Lower-case name: "bf16", "q4_1".
std::string_view to_string(DType dtype);

/// Values per block: 1 for plain types, 32 or 256 for the quantized ones.
constexpr std::int64_t block_values(DType dtype) {
  if (dtype >= DType::q2_k) return 256;
  return dtype >= DType::q4_0 ? 32 : 1;
}

/// Bytes of one block in the file's layout (safetensors, GGUF).
constexpr std::int64_t block_bytes(DType dtype) {
  switch (dtype) {
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
      return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
      return 1;
    case DType::mxfp4:
      return 17;
    case DType::q4_0:
    case DType::iq4_nl:
      return 18;
    case DType::q4_1:
      return 20;
    case DType::q5_0:
      return 22;
    case DType::q5_1:
      return 24;
    case DType::q8_0:
      return 34;
    case DType::q8_channel:
      return 36;
    case DType::q2_k:
      return 84;
    case DType::q3_k:
      return 110;
    case DType::iq4_xs:
      return 136;
    case DType::q4_k:
      return 144;
    case DType::q5_k:
      return 176;
    case DType::q6_k:
      return 210;
  }
  return 0;
}

/// Whether it is f64, f32, f16 or bf16.
constexpr bool is_floating(DType dtype) { return dtype <= DType::bf16; }
/// Whether values are stored in blocks that share a scale.
constexpr bool is_quantized(DType dtype) { return dtype >= DType::q4_0; }

/// How keys and values are kept: as they are computed, or rounded to bf16 (nearest, ties to even),
/// in half the memory. Computing with them is the same.
enum class KVType : std::uint8_t { full, bf16 };

}  // namespace llm
