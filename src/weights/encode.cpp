#include "weights/encode.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "core/float16.hpp"

namespace llm::detail {
namespace {

constexpr int block = 32;
constexpr std::uint16_t half_nan = 0x7e00;

// Four values: compilers map them to the vectors of any machine.
typedef float Four __attribute__((vector_size(16)));
typedef std::int32_t FourInts __attribute__((vector_size(16)));
constexpr int fours = block / 4;
struct Block {
  Four x[fours];
};

float sum(Four a) { return (a[0] + a[2]) + (a[1] + a[3]); }
Four smaller(Four a, Four b) { return a < b ? a : b; }
Four larger(Four a, Four b) { return a > b ? a : b; }
Four all(float value) { return Four{value, value, value, value}; }
Four whole_part(Four a) {
  return __builtin_convertvector(__builtin_convertvector(a, FourInts), Four);
}

struct Summary {
  float lowest, highest, sum;
  bool finite;
};
Summary summarize(const Block& b) {
  Four low = b.x[0], high = b.x[0], total = {}, zero = {};
  for (const Four& x : b.x) {
    low = smaller(x, low);
    high = larger(x, high);
    total += x;
    zero += x * 0.0f;  // NaN if x is not finite
  }
  return {std::min(std::min(low[0], low[1]), std::min(low[2], low[3])),
          std::max(std::max(high[0], high[1]), std::max(high[2], high[3])), sum(total),
          sum(zero) == 0.0f};
}

void store_half(std::uint16_t half, std::byte* out) { std::memcpy(out, &half, 2); }

// The nearest half that is finite.
std::uint16_t to_half(float value) {
  constexpr float largest = 65504.0f;
  return double_to_f16(std::clamp(value, -largest, largest));
}

// Bytes 0 .. 3: the values, which are small integers.
void store_bytes(Four a, std::byte* out) {
  const FourInts ints = __builtin_convertvector(a, FourInts);
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(ints[i]);
}

void encode_q8_0(const Block& b, std::byte* out) {
  const Summary s = summarize(b);
  const float largest = std::max(s.highest, -s.lowest);
  const std::uint16_t half = s.finite ? to_half(largest / 127) : half_nan;
  const float d = f16_to_float(half), inverse = s.finite && d > 0 ? 1 / d : 0;
  store_half(half, out);
  constexpr float to_nearest = 0x1.8p23f;  // at this size the unit of a float is 1
  for (int i = 0; i < fours; ++i) {
    const Four code = (b.x[i] * inverse + to_nearest) - to_nearest;
    store_bytes(larger(smaller(code, all(127)), all(-127)), out + 2 + 4 * i);
  }
}

// x is about scale * code + minimum.
struct Fit {
  float scale = 0, minimum = 0;
  float error = std::numeric_limits<float>::infinity();
};

Four q4_code(Four x, float inverse, float start) {
  return whole_part(smaller(larger(x * inverse + start, all(0)), all(15)));
}

// Codes 0 .. 15 by a first scale, then the scale and minimum that suit these codes best.
Fit fit_to_codes(const Block& b, float sum_x, float minimum, float scale) {
  const float inverse = 1 / scale, start = 0.5f - minimum * inverse;
  Four code[fours], q = {}, qq = {}, qx = {}, squares = {};
  for (int i = 0; i < fours; ++i) {
    code[i] = q4_code(b.x[i], inverse, start);
    q += code[i];
    qq += code[i] * code[i];
    qx += code[i] * b.x[i];
  }
  const float sum_q = sum(q), determinant = block * sum(qq) - sum_q * sum_q;
  if (determinant <= 0) return {};
  Fit fit;
  fit.scale = (block * sum(qx) - sum_q * sum_x) / determinant;
  fit.minimum = (sum_x - fit.scale * sum_q) / block;
  for (int i = 0; i < fours; ++i) {
    const Four difference = fit.scale * code[i] + fit.minimum - b.x[i];
    squares += difference * difference;
  }
  fit.error = sum(squares);
  return fit;
}

Fit best_fit(const Block& b, const Summary& s) {
  const float range = s.highest - s.lowest;
  if (!(range > 1e-7f)) return {0, s.lowest};  // below the smallest half: all values are equal
  Fit best{range / 15, s.lowest};
  constexpr int candidates = 8;
  for (int i = 0; i < candidates; ++i) {
    // Ranges from 1.06 down to 0.8 of the whole: large values may be cut off.
    const float width = range * (1.06f - 0.26f * static_cast<float>(i) / (candidates - 1));
    const Fit fit = fit_to_codes(b, s.sum, s.lowest + (range - width) / 2, width / 15);
    if (fit.error < best.error) best = fit;
  }
  return best;
}

void encode_q4_1(const Block& b, std::byte* out) {
  const Summary s = summarize(b);
  const Fit fit = s.finite ? best_fit(b, s) : Fit{};
  const std::uint16_t scale = s.finite ? to_half(fit.scale) : half_nan;
  const std::uint16_t minimum = to_half(fit.minimum);
  store_half(scale, out);
  store_half(minimum, out + 2);
  const float d = f16_to_float(scale), inverse = d > 0 ? 1 / d : 0;
  const float start = 0.5f - f16_to_float(minimum) * inverse;
  for (int i = 0; i < fours / 2; ++i) {  // low halves: values 0 .. 15
    const Four low = q4_code(b.x[i], inverse, start);
    const Four high = q4_code(b.x[i + fours / 2], inverse, start);
    store_bytes(low + 16 * high, out + 4 + 4 * i);
  }
}

}  // namespace

void encode_values(DType dtype, const float* values, std::int64_t count, std::byte* out) {
  const std::int64_t step = block_values(dtype), bytes = block_bytes(dtype);
  for (std::int64_t i = 0; i < count; i += step, out += bytes) {
    switch (dtype) {
      case DType::f32:
        std::memcpy(out, values + i, 4);
        break;
      case DType::bf16:
        store_half(double_to_bf16(values[i]), out);
        break;
      default: {
        Block b;
        std::memcpy(&b, values + i, sizeof b);
        dtype == DType::q8_0 ? encode_q8_0(b, out) : encode_q4_1(b, out);
      }
    }
  }
}

}  // namespace llm::detail
