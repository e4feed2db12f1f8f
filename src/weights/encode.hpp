// Values -> the bytes of an element type, rounded: for weights that are kept in another type than
// that of their file. The same bits on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "llm/core/dtype.hpp"

namespace llm::detail {

// Whether encode_values can write this type.
constexpr bool can_encode(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::q8_0 ||
         dtype == DType::q8_channel || dtype == DType::q4_1;
}

// Blocks of 32 values of a quantized type as numbers, one after another.
class EncodedBlocks {
 public:
  // `values`: whole rows of `cols`, whole blocks. A block (q8_channel: a row) with a value that is
  // not finite becomes NaN.
  //   q8_0  scale max |x| / 127, rounded to fp16 before the codes are chosen
  //   q8_channel  the same for a whole row, with the scale as float32
  //   q4_1  scale and minimum of a small squared error, rounded to fp16 before the codes are chosen
  void encode(DType dtype, std::span<const float> values, std::int64_t cols);

  std::uint16_t scale(std::size_t block) const { return scale_bits_[block]; }      // fp16 bits
  float row_scale(std::size_t row) const { return row_scales_[row]; }              // q8_channel
  std::uint16_t minimum(std::size_t block) const { return minimum_bits_[block]; }  // q4_1 only
  const std::int8_t* codes(std::size_t block) const { return codes_.data() + 32 * block; }

 private:
  void encode_q8_0(const float* values);
  void encode_q8_channel(const float* values, std::size_t row_blocks);
  void encode_q4_1(const float* values);

  std::int64_t count_ = 0;
  std::vector<std::uint16_t> scale_bits_, minimum_bits_;
  std::vector<float> row_scales_;
  std::vector<float> scales_,
      minimums_;  // first as fitted, then the factors that turn values into codes
  std::vector<std::int8_t> codes_;
};

// The values of a row, in whole blocks, in the layout of a file.
void encode_row(DType dtype, std::span<const float> values, std::byte* out);

}  // namespace llm::detail
