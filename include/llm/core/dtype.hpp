/// \file
/// Element types of tensors in files and of weights at rest.
#pragma once

#include <cstdint>
#include <string_view>

namespace llm {

/// Element type. The q-types store blocks of 32 values along a row, as GGUF defines them.
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
  q4_0,
  q4_1,
  q8_0,
};

/// Lower-case name: "bf16", "q4_1".
std::string_view to_string(DType dtype);

/// Values per block: 1 for plain types, 32 for the q-types.
constexpr std::int64_t block_values(DType dtype) { return dtype >= DType::q4_0 ? 32 : 1; }

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
    case DType::q4_0:
      return 18;
    case DType::q4_1:
      return 20;
    case DType::q8_0:
      return 34;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) { return dtype <= DType::bf16; }
constexpr bool is_quantized(DType dtype) { return dtype >= DType::q4_0; }

}  // namespace llm
