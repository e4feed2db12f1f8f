#include "weights/quant_block.hpp"

#include <cstring>

#include "core/float16.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm::detail {
namespace {

using Bytes = const std::uint8_t*;

std::uint16_t load_half(Bytes in) {
  std::uint16_t half;
  std::memcpy(&half, in, 2);
  return half;
}
constexpr std::uint16_t half_sign = 0x8000;

// 32 codes of four bits in 16 bytes: the low halves are the values 0 .. 15, the high halves 16 ..
// 31.
void decode_nibbles(Bytes in, std::int8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<std::int8_t>(in[i] & 15);
    codes[i + 16] = static_cast<std::int8_t>(in[i] >> 4);
  }
}

// The same with a fifth bit: bit i of 32; minus `zero_point`.
void decode_five_bits(Bytes fifth, Bytes in, int zero_point, std::int8_t* codes) {
  std::uint32_t bits;
  std::memcpy(&bits, fifth, 4);
  decode_nibbles(in, codes);
  for (int i = 0; i < 32; ++i) {
    codes[i] =
        static_cast<std::int8_t>((codes[i] | static_cast<int>(bits >> i & 1) << 4) - zero_point);
  }
}

// [16 scale | minimum << 4][64 codes of two bits][d][dmin]. Every 32 bytes hold 4 times 32 codes.
void decode_q2_k(Bytes in, QuantBlock& block) {
  for (int g = 0; g < 16; ++g) {
    block.scale_factors[g] = static_cast<std::int8_t>(in[g] & 15);
    block.minimum_factors[g] = static_cast<std::int8_t>(in[g] >> 4);
  }
  for (int run = 0; run < 8; ++run) {
    Bytes from = in + 16 + 32 * (run / 4);
    for (int i = 0; i < 32; ++i) {
      block.codes[32 * run + i] = static_cast<std::int8_t>(from[i] >> 2 * (run % 4) & 3);
    }
  }
  block.scale = load_half(in + 80);
  block.minimum = load_half(in + 82) ^ half_sign;
}

// [32 third bits][64 codes of two bits][12 scales of six bits, low nibbles first][d].
void decode_q3_k(Bytes in, QuantBlock& block) {
  for (int run = 0; run < 8; ++run) {
    Bytes low = in + 32 + 32 * (run / 4);
    for (int i = 0; i < 32; ++i) {
      const int third = in[i] >> run & 1;
      block.codes[32 * run + i] =
          static_cast<std::int8_t>((low[i] >> 2 * (run % 4) & 3) | third << 2);
    }
  }
  Bytes scales = in + 96;
  for (int g = 0; g < 16; ++g) {
    const int low = scales[g % 8] >> 4 * (g / 8) & 15, high = scales[8 + g % 4] >> 2 * (g / 4) & 3;
    block.scale_factors[g] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
  block.scale = load_half(in + 108);
}

// Eight scales and minimums of six bits in twelve bytes.
void decode_six_bit_pairs(Bytes in, QuantBlock& block) {
  for (int g = 0; g < 4; ++g) {
    const int high = in[8 + g];
    block.scale_factors[g] = static_cast<std::int8_t>(in[g] & 63);
    block.minimum_factors[g] = static_cast<std::int8_t>(in[4 + g] & 63);
    block.scale_factors[4 + g] = static_cast<std::int8_t>((high & 15) | (in[g] >> 6) << 4);
    block.minimum_factors[4 + g] = static_cast<std::int8_t>(high >> 4 | (in[4 + g] >> 6) << 4);
  }
}

// [d][dmin][12 scales and minimums](q5_k: [32 fifth bits])[128 nibbles]. Every 32 bytes of nibbles
// hold two times 32 codes; fifth bit number r of byte i belongs to value 32 r + i.
void decode_q4_k(Bytes in, bool five_bits, QuantBlock& block) {
  block.scale = load_half(in);
  block.minimum = load_half(in + 2) ^ half_sign;
  decode_six_bit_pairs(in + 4, block);
  Bytes nibbles = in + (five_bits ? 48 : 16);
  for (int run = 0; run < 8; ++run) {
    Bytes from = nibbles + 32 * (run / 2);
    std::int8_t* codes = block.codes + 32 * run;
    for (int i = 0; i < 32; ++i) {
      codes[i] = static_cast<std::int8_t>(from[i] >> 4 * (run % 2) & 15);
    }
    for (int i = 0; five_bits && i < 32; ++i) {
      codes[i] = static_cast<std::int8_t>(codes[i] | (in[16 + i] >> run & 1) << 4);
    }
  }
}

// [128 nibbles][64 times two high bits][16 scales][d]. Half a block: 64 bytes of nibbles are 4
// times 32 codes (low halves first), 32 bytes hold their high bits.
void decode_q6_k(Bytes in, QuantBlock& block) {
  for (int run = 0; run < 8; ++run) {
    const int half = run / 4, quarter = run % 4;
    Bytes low = in + 64 * half + 32 * (quarter % 2), high = in + 128 + 32 * half;
    for (int i = 0; i < 32; ++i) {
      const int code = (low[i] >> 4 * (quarter / 2) & 15) | (high[i] >> 2 * quarter & 3) << 4;
      block.codes[32 * run + i] = static_cast<std::int8_t>(code - 32);
    }
  }
  std::memcpy(block.scale_factors, in + 192, 16);
  block.scale = load_half(in + 208);
}

// [d][8 times two high bits of a scale][8 low nibbles][128 nibbles, per 32 as in q4_0].
void decode_iq4_xs(Bytes in, QuantBlock& block) {
  block.scale = load_half(in);
  const int high = load_half(in + 2);
  for (int g = 0; g < 8; ++g) {
    const int low = in[4 + g / 2] >> 4 * (g % 2) & 15;
    block.scale_factors[g] = static_cast<std::int8_t>((low | (high >> 2 * g & 3) << 4) - 32);
    decode_nibbles(in + 8 + 16 * g, block.codes + 32 * g);
  }
}

// 2^(e - 128) as bf16 bits; the two smallest are subnormal.
std::uint16_t half_of_e8m0(std::uint8_t e) {
  return static_cast<std::uint16_t>(e < 2 ? 0x20 << e : (e - 1) << 7);
}

float widen_scale(const QuantFormat& format, std::uint16_t bits) {
  return format.bf16_scales ? bf16_to_float(bits) : f16_to_float(bits);
}

// Where the codes of output j in columns 4c .. 4c+3 (nibbles: 8c .. 8c+7) are among those of 32
// columns.
constexpr std::int64_t code_offset(std::int64_t c, std::int64_t j) {
  return (c * panel_rows + j) * 4;
}

void pack_codes(bool nibbles, const std::int8_t* codes, std::int64_t j, std::byte* out) {
  if (!nibbles) {
    for (std::int64_t c = 0; c < 8; ++c) std::memcpy(out + code_offset(c, j), codes + 4 * c, 4);
    return;
  }
  for (std::int64_t c = 0; c < 4; ++c) {
    std::uint32_t low, high;
    std::memcpy(&low, codes + 8 * c, 4);
    std::memcpy(&high, codes + 8 * c + 4, 4);
    low |= high << 4;
    std::memcpy(out + code_offset(c, j), &low, 4);
  }
}

void unpack_codes(bool nibbles, const std::byte* in, std::int64_t j, std::int8_t* codes) {
  if (!nibbles) {
    for (std::int64_t c = 0; c < 8; ++c) std::memcpy(codes + 4 * c, in + code_offset(c, j), 4);
    return;
  }
  for (std::int64_t c = 0; c < 4; ++c) {
    std::uint32_t both;
    std::memcpy(&both, in + code_offset(c, j), 4);
    const std::uint32_t low = both & 0x0f0f0f0fu, high = both >> 4 & 0x0f0f0f0fu;
    std::memcpy(codes + 8 * c, &low, 4);
    std::memcpy(codes + 8 * c + 4, &high, 4);
  }
}

}  // namespace

void decode_block(DType dtype, const std::byte* bytes, QuantBlock& block) {
  const Bytes in = reinterpret_cast<Bytes>(bytes);
  block.scale = load_half(in);
  switch (dtype) {
    case DType::q4_0:
    case DType::iq4_nl:
      return decode_nibbles(in + 2, block.codes);
    case DType::q4_1:
      block.minimum = load_half(in + 2);
      return decode_nibbles(in + 4, block.codes);
    case DType::q5_0:
      return decode_five_bits(in + 2, in + 6, 16, block.codes);
    case DType::q5_1:
      block.minimum = load_half(in + 2);
      return decode_five_bits(in + 4, in + 8, 0, block.codes);
    case DType::mxfp4:
      block.scale = half_of_e8m0(in[0]);
      return decode_nibbles(in + 1, block.codes);
    case DType::q2_k:
      return decode_q2_k(in, block);
    case DType::q3_k:
      return decode_q3_k(in, block);
    case DType::q4_k:
      return decode_q4_k(in, false, block);
    case DType::q5_k:
      return decode_q4_k(in, true, block);
    case DType::q6_k:
      return decode_q6_k(in, block);
    case DType::iq4_xs:
      return decode_iq4_xs(in, block);
    case DType::q8_channel:
      std::memcpy(&block.row_scale, in, 4);
      std::memcpy(block.codes, in + 4, 32);
      return;
    default:  // q8_0
      std::memcpy(block.codes, in + 2, 32);
  }
}

void block_values_of(DType dtype, const QuantBlock& block, float* out) {
  const QuantFormat format = quant_format(dtype);
  const NibbleTable table = nibble_table(format.values);
  const std::int64_t groups = block_values(dtype) / format.group;
  const float d = format.per_channel ? block.row_scale : widen_scale(format, block.scale);
  const float m = widen_scale(format, block.minimum);
  for (std::int64_t g = 0; g < groups; ++g) {
    const float scale = format.nested ? d * static_cast<float>(block.scale_factors[g]) : d;
    const float minimum = format.nested ? m * static_cast<float>(block.minimum_factors[g]) : m;
    for (std::int64_t i = g * format.group; i < (g + 1) * format.group; ++i) {
      const int code = format.nibbles ? table.value[block.codes[i]] : block.codes[i];
      const float product = scale * static_cast<float>(code);
      out[i] = format.minimum ? product + minimum : product;
    }
  }
}

PanelBlocks::PanelBlocks(DType dtype) {
  const QuantFormat format = quant_format(dtype);
  nibbles_ = format.nibbles;
  minimum_ = format.minimum;
  nested_ = format.nested;
  per_channel_ = format.per_channel;
  bytes_ = format.block_bytes();
  heads_ = nested_ ? 0 : format.code_bytes();
  codes_ = nested_ ? format.head_bytes() : 0;
  step_ = format.code_bytes() + format.group_bytes();
  factors_ = codes_ + format.code_bytes();
  groups_ = 32 / format.group;
  runs_ = nested_ ? 8 : 1;
}

void PanelBlocks::pack(std::uint16_t scale, std::uint16_t minimum, const std::int8_t* codes,
                       std::int64_t j, std::byte* out) const {
  if (!per_channel_) std::memcpy(out + heads_ + 2 * j, &scale, 2);
  if (minimum_) std::memcpy(out + heads_ + 2 * (panel_rows + j), &minimum, 2);
  pack_codes(nibbles_, codes, j, out + codes_);
}

void PanelBlocks::pack(const QuantBlock& block, std::int64_t j, std::byte* out) const {
  pack(block.scale, block.minimum, block.codes, j, out);
  for (std::int64_t run = 0; nested_ && run < runs_; ++run) {
    pack_codes(nibbles_, block.codes + 32 * run, j, out + codes_ + run * step_);
    std::byte* factors = out + factors_ + run * step_ + j;
    for (std::int64_t g = 0; g < groups_; ++g) {
      factors[g * panel_rows] = std::byte(block.scale_factors[run * groups_ + g]);
      if (!minimum_) continue;
      factors[(groups_ + g) * panel_rows] = std::byte(block.minimum_factors[run * groups_ + g]);
    }
  }
}

void PanelBlocks::unpack(const std::byte* in, std::int64_t j, QuantBlock& block) const {
  if (!per_channel_) std::memcpy(&block.scale, in + heads_ + 2 * j, 2);
  if (minimum_) std::memcpy(&block.minimum, in + heads_ + 2 * (panel_rows + j), 2);
  for (std::int64_t run = 0; run < runs_; ++run) {
    unpack_codes(nibbles_, in + codes_ + run * step_, j, block.codes + 32 * run);
    const std::byte* factors = in + factors_ + run * step_ + j;
    for (std::int64_t g = 0; nested_ && g < groups_; ++g) {
      std::memcpy(&block.scale_factors[run * groups_ + g], factors + g * panel_rows, 1);
      if (!minimum_) continue;
      std::memcpy(&block.minimum_factors[run * groups_ + g], factors + (groups_ + g) * panel_rows,
                  1);
    }
  }
}

namespace {

// Where the value of output j is in a panel.
std::int64_t row_scale_place(std::int64_t block_bytes, std::int64_t j, std::int64_t cols) {
  return cols / 32 * block_bytes + j * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

void PanelBlocks::pack_row_scale(float scale, std::int64_t j, std::int64_t cols,
                                 std::byte* panel) const {
  if (per_channel_) std::memcpy(panel + row_scale_place(bytes_, j, cols), &scale, 4);
}

float PanelBlocks::row_scale(const std::byte* panel, std::int64_t j, std::int64_t cols) const {
  float scale = 0;
  if (per_channel_) std::memcpy(&scale, panel + row_scale_place(bytes_, j, cols), 4);
  return scale;
}

}  // namespace llm::detail
