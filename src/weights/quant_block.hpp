// One block of a quantized type in its three forms: the bytes of a GGUF file, its place in a panel,
// and its values. Source of the file forms: the `gguf` Python package, gguf/quants.py.
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
  float row_scale = 0;  // q8_channel: of all blocks of a row, instead of `scale`
  // Nested formats: factors per group of columns.
  std::int8_t scale_factors[16] = {};
  std::int8_t minimum_factors[16] = {};
  // Nibbles: 0 .. 15; else the signed code itself.
  alignas(64) std::int8_t codes[256];
};

// From the block_bytes(dtype) bytes of a file.
void decode_block(DType dtype, const std::byte* in, QuantBlock& block);

// out[i] = value i, in float32 with one rounding per operation: what the file format defines.
void block_values_of(DType dtype, const QuantBlock& block, float* out);

// How a type's blocks lie in a panel, computed once for many blocks.
class PanelBlocks {
 public:
  explicit PanelBlocks(DType dtype);

  // Output j of a panel's block (QuantFormat::block_bytes(); not nested: 32 columns).
  void pack(const QuantBlock& block, std::int64_t j, std::byte* panel_block) const;
  // The same for 32 codes with a scale and a minimum of their own (not nested).
  void pack(std::uint16_t scale, std::uint16_t minimum, const std::int8_t* codes, std::int64_t j,
            std::byte* panel_block) const;
  void unpack(const std::byte* panel_block, std::int64_t j, QuantBlock& block) const;

  // The scale of output j of a panel of `cols` columns. For types without a scale per output
  // nothing is written and 0 is returned.
  void pack_row_scale(float scale, std::int64_t j, std::int64_t cols, std::byte* panel) const;
  float row_scale(const std::byte* panel, std::int64_t j, std::int64_t cols) const;

  std::int64_t bytes() const { return bytes_; }  // of a panel's block

 private:
  bool nibbles_, minimum_, nested_, per_channel_;  // as in QuantFormat
  std::int64_t bytes_;
  std::int64_t heads_;    // of scales, then minimums
  std::int64_t codes_;    // of the first 32 columns
  std::int64_t step_;     // from there to those of the next 32
  std::int64_t factors_;  // of the first 32 columns: [groups][64], then those of the minimums
  std::int64_t groups_;
  std::int64_t runs_;  // of 32 columns
};

}  // namespace llm::detail
