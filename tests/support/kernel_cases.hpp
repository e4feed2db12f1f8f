// Random matrices in the file's own formats, and the instruction sets the kernels are tested on.
#pragma once

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/float16.hpp"
#include "llm/core/buffer.hpp"
#include "llm/tensor/kernels.hpp"
#include "llm/weights/weight.hpp"

namespace llm::test {

/// The levels this machine has; the first is always generic.
inline std::vector<const detail::FloatKernels*> available_kernels() {
  std::vector<const detail::FloatKernels*> found;
  for (const char* name :
       {"generic", "neon", "neondot", "neonbf16", "avx2", "avx512", "avx512vnni", "avx512bf16"}) {
    if (const auto* kernels = detail::find_float_kernels(name)) found.push_back(kernels);
  }
  return found;
}

/// Those that must agree in every bit of every function.
inline std::vector<const detail::FloatKernels*> fma_kernels() {
  auto found = available_kernels();
  found.erase(found.begin());
  return found;
}

inline constexpr DType weight_types[] = {
    DType::f32,  DType::f16,  DType::bf16,   DType::q8_0,   DType::q4_0,      DType::q4_1,
    DType::q5_0, DType::q5_1, DType::iq4_nl, DType::mxfp4,  DType::q2_k,      DType::q3_k,
    DType::q4_k, DType::q5_k, DType::q6_k,   DType::iq4_xs, DType::q8_channel};

/// Bytes of a block at which its fp16 scale lies, and its minimum (-1: none).
struct ScalePlaces {
  int scale, minimum;
};
inline ScalePlaces scale_places(DType dtype) {
  switch (dtype) {
    case DType::q4_1:
    case DType::q5_1:
    case DType::q4_k:
    case DType::q5_k:
      return {0, 2};
    case DType::q2_k:
      return {80, 82};
    case DType::q3_k:
      return {108, -1};
    case DType::q6_k:
      return {208, -1};
    default:
      return {0, -1};
  }
}

inline std::vector<float> random_floats(std::int64_t count, unsigned seed, float scale = 1.0f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

/// fp16 bits of a positive value between 2^-10 and 2^-6: a plausible scale.
inline std::uint16_t random_scale(std::mt19937& engine) {
  return static_cast<std::uint16_t>((5 + engine() % 4) << 10 | engine() % 1024);
}

/// A tensor [rows, cols] of any weight type with random content, owning its bytes. The bytes begin
/// at an odd address, as they may in a file.
class RandomTensor {
 public:
  RandomTensor(DType dtype, std::int64_t rows, std::int64_t cols, unsigned seed) {
    std::mt19937 engine(seed);
    const std::int64_t blocks = rows * cols / block_values(dtype);
    const std::int64_t block = block_bytes(dtype);
    storage_.resize(static_cast<std::size_t>(blocks * block + 1));
    for (std::int64_t i = 0; i < blocks; ++i)
      fill_block(dtype, engine, storage_.data() + 1 + i * block);
    // All blocks of a row have its scale.
    for (std::int64_t i = 0; dtype == DType::q8_channel && i < blocks; ++i) {
      const std::int64_t first = i - i % (cols / block_values(dtype));
      std::memcpy(storage_.data() + 1 + i * block, storage_.data() + 1 + first * block, 4);
    }
    tensor_.name = "random";
    tensor_.dtype = dtype;
    tensor_.shape = {rows, cols};
    tensor_.bytes = {storage_.data() + 1, storage_.size() - 1};
  }
  RandomTensor(RandomTensor&&) = default;

  const FileTensor& get() const { return tensor_; }
  /// All values, row-major.
  std::vector<double> values() const {
    std::vector<double> out(static_cast<std::size_t>(tensor_.rows() * tensor_.cols()));
    read_values(tensor_, 0, tensor_.rows() * tensor_.cols(), out.data());
    return out;
  }

 private:
  static void fill_block(DType dtype, std::mt19937& engine, std::byte* out) {
    std::normal_distribution<float> normal(0.0f, 1.0f);
    const float value = normal(engine);
    if (dtype == DType::f32) {
      std::memcpy(out, &value, 4);
    } else if (dtype == DType::f64) {
      const double wide = value;
      std::memcpy(out, &wide, 8);
    } else if (dtype == DType::f16 || dtype == DType::bf16) {
      // bf16: the upper half of a float; fp16: exponent between 2^-5 and 2^2, sometimes subnormal.
      std::uint32_t bits;
      std::memcpy(&bits, &value, 4);
      std::uint32_t half = bits >> 16;
      if (dtype == DType::f16) {
        half = (engine() % 50 == 0 ? 0 : std::uint32_t(10 + engine() % 8) << 10) |
               (std::uint32_t(engine()) & 0x83ff);
      }
      std::memcpy(out, &half, 2);
    } else {
      for (std::int64_t i = 0; i < block_bytes(dtype); ++i) out[i] = std::byte(engine() % 256);
      if (dtype == DType::mxfp4) {
        out[0] = std::byte(118 + engine() % 8);  // an exponent
        return;
      }
      if (dtype == DType::q8_channel) {
        const float scale = 0.01f * std::abs(value) + 1e-4f;
        std::memcpy(out, &scale, 4);
        return;
      }
      const auto [scale_at, minimum_at] = scale_places(dtype);
      const std::uint16_t scale = random_scale(engine);
      std::memcpy(out + scale_at, &scale, 2);
      // q4_1 and q5_1 add the minimum, the others subtract it.
      const std::uint16_t sign = block_values(dtype) == 32 ? 0x8000 : 0;
      const std::uint16_t minimum = static_cast<std::uint16_t>(random_scale(engine) | sign);
      if (minimum_at >= 0) std::memcpy(out + minimum_at, &minimum, 2);
    }
  }
  std::vector<std::byte> storage_;
  FileTensor tensor_;
};

inline Weight packed(const FileTensor& tensor, WeightLayout layout = WeightLayout::panels) {
  ThreadPool pool(1);
  MatrixSource source;
  source.parts = {{&tensor, false}};
  return Weight(source, layout, pool);
}

inline Buffer float_scratch(std::int64_t floats) {
  return Buffer(static_cast<std::size_t>(floats) * sizeof(float));
}

/// Units in the last place of `expected` (as a float) between the two.
inline double ulps(float got, double expected) {
  if (std::isnan(expected)) return std::isnan(got) ? 0 : 1e30;
  const float nearest = static_cast<float>(expected);
  if (got == nearest) return 0;
  int exponent;
  std::frexp(expected, &exponent);
  return std::abs(got - expected) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

/// Bit for bit, so that NaN and -0 count.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace llm::test
