#include "weights/encode.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/float16.hpp"
#include "llm/tensor/kernels.hpp"
#include "weights/encode_kernels.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t block = 32;
constexpr std::uint16_t half_nan = 0x7e00;

// The nearest finite half; NaN stays.
std::uint16_t to_half(float value) {
  constexpr float largest = 65504.0f;
  return std::isnan(value) ? half_nan : double_to_f16(std::clamp(value, -largest, largest));
}

float inverse_of(std::uint16_t scale) {
  const float d = f16_to_float(scale);
  return d > 0 ? 1 / d : 0;
}

}  // namespace

void EncodedBlocks::encode(DType dtype, std::span<const float> values, std::int64_t cols) {
  const std::size_t blocks = values.size() / block;
  count_ = static_cast<std::int64_t>(blocks);
  for (auto* const bits : {&scale_bits_, &minimum_bits_}) bits->resize(blocks);
  for (auto* const numbers : {&scales_, &minimums_}) numbers->resize(blocks);
  codes_.resize(blocks * block);
  if (blocks == 0) return;
  if (dtype == DType::q8_channel) {
    return encode_q8_channel(values.data(), static_cast<std::size_t>(cols) / block);
  }
  dtype == DType::q8_0 ? encode_q8_0(values.data()) : encode_q4_1(values.data());
}

void EncodedBlocks::encode_q8_0(const float* values) {
  const EncodeKernels& kernels = *float_kernels().encode;
  kernels.largest_magnitudes(values, count_, scales_.data());
  for (std::size_t i = 0; i < scales_.size(); ++i) {
    scale_bits_[i] = to_half(scales_[i] / 127);
    scales_[i] = inverse_of(scale_bits_[i]);
    minimums_[i] = 0;
  }
  kernels.round_to_codes(values, count_, {scales_.data(), minimums_.data(), -127, 127},
                         codes_.data());
}

void EncodedBlocks::encode_q8_channel(const float* values, std::size_t row_blocks) {
  constexpr float smallest = 0x1p-100f;  // rows of smaller values become zero
  const EncodeKernels& kernels = *float_kernels().encode;
  kernels.largest_magnitudes(values, count_, scales_.data());
  row_scales_.resize(scales_.size() / row_blocks);
  for (std::size_t row = 0; row < row_scales_.size(); ++row) {
    const std::span<float> of_blocks(&scales_[row * row_blocks], row_blocks);
    float largest = 0;
    for (const float each : of_blocks) largest = each <= largest ? largest : each;
    if (std::ranges::any_of(of_blocks, [](float each) { return std::isnan(each); })) {
      largest = std::numeric_limits<float>::quiet_NaN();
    }
    row_scales_[row] = largest < smallest ? 0 : largest / 127;
    std::ranges::fill(of_blocks, largest >= smallest ? 127 / largest : 0);
  }
  std::ranges::fill(minimums_, 0.0f);
  kernels.round_to_codes(values, count_, {scales_.data(), minimums_.data(), -127, 127},
                         codes_.data());
}

void EncodedBlocks::encode_q4_1(const float* values) {
  const EncodeKernels& kernels = *float_kernels().encode;
  kernels.fit_lines(values, count_, scales_.data(), minimums_.data());
  for (std::size_t i = 0; i < scales_.size(); ++i) {
    scale_bits_[i] = to_half(scales_[i]);
    minimum_bits_[i] = std::isnan(scales_[i]) ? std::uint16_t{0} : to_half(minimums_[i]);
    scales_[i] = inverse_of(scale_bits_[i]);
    minimums_[i] = -f16_to_float(minimum_bits_[i]) * scales_[i];
  }
  kernels.round_to_codes(values, count_, {scales_.data(), minimums_.data(), 0, 15}, codes_.data());
}

namespace {

// [scale][32 codes], or [scale][minimum][16 bytes: the low halves are the values 0 .. 15]. In
// q8_channel every block has the row's scale.
void write_blocks(DType dtype, const EncodedBlocks& blocks, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i, out += block_bytes(dtype)) {
    const std::uint16_t scale = blocks.scale(i), minimum = blocks.minimum(i);
    const std::int8_t* const codes = blocks.codes(i);
    if (dtype == DType::q8_channel) {
      const float row_scale = blocks.row_scale(0);
      std::memcpy(out, &row_scale, 4);
      std::memcpy(out + 4, codes, block);
      continue;
    }
    std::memcpy(out, &scale, 2);
    if (dtype == DType::q8_0) {
      std::memcpy(out + 2, codes, block);
      continue;
    }
    std::memcpy(out + 2, &minimum, 2);
    for (std::size_t k = 0; k < block / 2; ++k) {
      out[4 + k] = static_cast<std::byte>(codes[k] | codes[k + block / 2] << 4);
    }
  }
}

}  // namespace

void encode_row(DType dtype, std::span<const float> values, std::byte* out) {
  if (dtype == DType::f32) {
    std::memcpy(out, values.data(), values.size_bytes());
  } else if (dtype == DType::bf16) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t bits = double_to_bf16(values[i]);
      std::memcpy(out + 2 * i, &bits, 2);
    }
  } else {
    EncodedBlocks blocks;
    blocks.encode(dtype, values, static_cast<std::int64_t>(values.size()));
    write_blocks(dtype, blocks, values.size() / block, out);
  }
}

}  // namespace llm::detail
