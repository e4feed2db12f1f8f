// One block of a quantized type between its three forms: the bytes of a GGUF file, the place in a
// panel, and the values. Source of the file forms: the `gguf` Python package, gguf/quants.py.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/quant_format.hpp"
#include "llm/core/dtype.hpp"

namespace llm::detail {

// The codes and scales of block_values(dtype) values of one output, see QuantFormat.
struct QuantBlock {
  std::uint16_t scale = 0;  // fp16 or bf16 bits
  std::uint16_t minimum = 0;
  // Nested formats: factors per group of columns.
  std::int8_t scale_factors[16] = {};
  std::int8_t minimum_factors[16] = {};
  // Nibbles: 0 .. 15; else the signed code itself.
  alignas(64) std::int8_t codes[256];
};

// From the block_bytes(dtype) bytes of a file.
void decode_block(DType dtype, const std::byte* in, QuantBlock& block);

// out[i] = value i, in float32 with one rounding per operation: what the file defines.
void block_values_of(DType dtype, const QuantBlock& block, float* out);

// Output j of a panel's block (QuantFormat::block_bytes() or, not nested, 32 columns).
void pack_block(DType dtype, const QuantBlock& block, std::int64_t j, std::byte* panel_block);
void unpack_block(DType dtype, const std::byte* panel_block, std::int64_t j, QuantBlock& block);

}  // namespace llm::detail
