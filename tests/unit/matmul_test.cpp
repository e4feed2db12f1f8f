// Products of every weight type on every instruction set: against double loops, and that a row's
// bits depend on nothing but the row.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>

#include "llm/tensor/workspace.hpp"
#include "support/kernel_cases.hpp"
#include "weights/quant_block.hpp"

namespace llm {
namespace {

using detail::FloatKernels;
using test::fma_kernels;
using test::packed;
using test::random_floats;
using test::RandomTensor;

constexpr float untouched = 12345.0f;

struct Product {
  const Weight* w;
  std::vector<float> x;  // [m, ldx]
  std::int64_t ldx, m;
  std::vector<float> bias;
  bool fast = false;
};

// At least `cols` columns, in whole blocks.
std::int64_t whole_blocks(DType dtype, std::int64_t cols) {
  const std::int64_t block = block_values(dtype);
  return (cols + block - 1) / block * block;
}

Product product(const Weight& w, std::int64_t m, bool bias, unsigned seed = 7) {
  Product p{&w, {}, w.cols() + 3, m, {}};
  // The last row ends with the vector: reading beyond it is an error sanitizers see.
  p.x = random_floats((m - 1) * p.ldx + w.cols(), seed);
  if (bias) p.bias = random_floats(w.rows(), seed + 1);
  return p;
}

// y [m, rows + 5]; the columns beyond must stay as they are.
std::vector<float> run(const FloatKernels& kernels, const Product& p,
                       const std::vector<std::int64_t>& splits = {}) {
  const std::int64_t ldy = p.w->rows() + 5;
  std::vector<float> y(static_cast<std::size_t>(p.m * ldy), untouched);
  const detail::ProductKernels& products = kernels.products(p.w->dtype(), p.fast);
  Buffer scratch = test::float_scratch(products.scratch_floats(p.w->cols()));
  detail::MatmulArgs args;
  args.x = p.x.data();
  args.ldx = p.ldx;
  args.m = p.m;
  args.w = p.w->panels();
  args.bias = p.bias.empty() ? nullptr : p.bias.data();
  args.y = y.data();
  args.ldy = ldy;
  args.fast = p.fast;
  args.scratch = reinterpret_cast<float*>(scratch.data());
  std::vector<std::int64_t> ends = splits;
  ends.push_back(detail::panel_count(p.w->rows()));
  for (const std::int64_t end : ends) {
    args.panel_end = end;
    products.matmul(args);
    args.panel_begin = end;
  }
  return y;
}

// Whether activations are rounded to bf16.
bool rounds(const Product& p) { return p.fast && p.w->dtype() == DType::bf16; }

// Half a step of the rounded activations: of each 32 columns or the row, or of a bf16; 0 for other
// types.
double rounding_of(const Product& p, std::int64_t row, std::int64_t k) {
  if (rounds(p)) return std::abs(double(p.x[size_t(row * p.ldx + k)])) / 256;
  if (!is_quantized(p.w->dtype())) return 0;
  const bool one_scale = p.fast && p.w->dtype() == DType::q8_channel;
  const std::int64_t begin = one_scale ? 0 : k / 32 * 32;
  double largest = 0;
  for (std::int64_t i = begin; i < (one_scale ? p.w->cols() : begin + 32); ++i) {
    largest = std::max(largest, std::abs(double(p.x[size_t(row * p.ldx + i)])));
  }
  return largest / (p.fast ? 127 : 32767) / 2 * 1.001;
}

// One rounding of the product and of the sum for each k: at most 2 cols eps/2 of the sum of the
// absolute terms (fma needs half of it); and the rounding of the activations.
void expect_near_double(const Product& p, const std::vector<double>& w, const std::string& what) {
  std::map<std::string, std::vector<float>> outputs;
  for (const FloatKernels* kernels : test::available_kernels()) {
    outputs[std::string(kernels->name)] = run(*kernels, p);
  }
  const std::int64_t rows = p.w->rows(), cols = p.w->cols(), ldy = rows + 5;
  const double eps = std::numeric_limits<float>::epsilon();
  std::vector<double> steps;  // [m, cols]
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t k = 0; k < cols; ++k) steps.push_back(rounding_of(p, i, k));
  }
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t n = 0; n < rows; ++n) {
      double sum = 0, size = 0, rounded = 0;
      for (std::int64_t k = 0; k < cols; ++k) {
        const double term = double(p.x[size_t(i * p.ldx + k)]) * w[size_t(n * cols + k)];
        sum += term;
        size += std::abs(term);
        rounded += std::abs(w[size_t(n * cols + k)]) * steps[size_t(i * cols + k)];
      }
      const double bias = p.bias.empty() ? 0 : p.bias[size_t(n)];
      const double tolerance = double(cols + 1) * eps * (size + std::abs(bias)) + rounded;
      for (const auto& [level, y] : outputs) {
        ASSERT_NEAR(y[size_t(i * ldy + n)], sum + bias, tolerance)
            << level << " " << what << " row " << i << " " << n;
      }
    }
    for (const auto& [level, y] : outputs) {
      for (std::int64_t n = rows; n < ldy; ++n) ASSERT_EQ(y[size_t(i * ldy + n)], untouched);
    }
  }
}

TEST(Matmul, AgreesWithDoubleLoops) {
  for (const DType dtype : test::weight_types) {
    const bool wide = block_values(dtype) > 32;
    for (const std::int64_t rows : {1, 17, 64, 100, 203}) {
      if (wide && rows != 17 && rows != 100) continue;
      for (const std::int64_t at_least : {1, 5, 32, 63, 288, 515}) {
        const std::int64_t cols = whole_blocks(dtype, at_least);
        if (wide && at_least != 1 && at_least != 515) continue;  // the same number again
        const RandomTensor tensor(dtype, rows, cols, unsigned(rows * 1000 + cols));
        const Weight w = packed(tensor.get());
        const std::vector<double> values = tensor.values();
        for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 13}) {
          Product p = product(w, m, cols % 2 == 1 || m == 13);
          p.fast = m == 5;
          expect_near_double(p, values,
                             std::string(to_string(dtype)) + " " + std::to_string(rows) + "x" +
                                 std::to_string(cols) + " m " + std::to_string(m));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

float plain_chain(const float* x, const double* w, std::int64_t cols) {
  float sum = 0;
  for (std::int64_t k = 0; k < cols; ++k) sum = std::fma(x[k], float(w[k]), sum);
  return sum;
}

// Some activations as integers; returns their scale.
float round_activations(std::span<const float> x, float largest_code, std::int32_t* codes) {
  float largest = 0;
  for (const float each : x) largest = std::max(largest, std::abs(each));
  const float inverse = largest_code / largest;
  for (const float each : x) *codes++ = std::int32_t(std::nearbyint(each * inverse));
  return largest / largest_code;
}

// q8_channel: a row's scale and 32 codes in each block.
float channel_chain(std::span<const float> x, bool fast, const std::byte* blocks) {
  float d, y = 0;
  std::memcpy(&d, blocks, 4);
  std::vector<std::int32_t> codes(x.size());
  const std::size_t step = fast ? x.size() : 32;
  for (std::size_t k = 0; k < x.size(); k += step) {
    const float s = round_activations(x.subspan(k, step), fast ? 127.0f : 32767.0f, codes.data());
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < step; ++i) {
      const std::byte code = blocks[(k + i) / 32 * 36 + 4 + (k + i) % 32];
      sum += std::int64_t{std::int8_t(code)} * codes[i];
    }
    if (fast) return float(sum) * (d * s);
    y = std::fma(s, float(sum), y);
  }
  return y * d;
}

float quantized_chain(const float* x, bool fast, DType dtype, const std::byte* blocks,
                      std::int64_t cols) {
  if (dtype == DType::q8_channel) return channel_chain({x, size_t(cols)}, fast, blocks);
  const detail::QuantFormat format = detail::quant_format(dtype);
  detail::QuantBlock block;
  float y = 0;
  for (std::int64_t k = 0; k < cols; k += format.group) {
    const std::int64_t in_block = k % block_values(dtype), g = in_block / format.group;
    detail::decode_block(dtype, blocks + k / block_values(dtype) * block_bytes(dtype), block);
    float d =
        format.bf16_scales ? detail::bf16_to_float(block.scale) : detail::f16_to_float(block.scale);
    float m = detail::f16_to_float(block.minimum);
    if (format.nested) {
      d *= float(block.scale_factors[g]);
      m *= float(block.minimum_factors[g]);
    }
    std::int32_t codes[32], sum = 0, sum_x = 0;
    const float scale = round_activations({x + k / 32 * 32, 32}, fast ? 127.0f : 32767.0f, codes);
    for (std::int64_t i = 0; i < format.group; ++i) {
      const int code = block.codes[in_block + i], c = codes[k % 32 + i];
      sum += (format.nibbles ? detail::nibble_value(format.values, code) : code) * c;
      sum_x += c;
    }
    y = std::fma(d * scale, float(sum), y);
    if (format.minimum) y = std::fma(m, scale * float(sum_x), y);
  }
  return y;
}

float round_to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&x, &bits, 4);
  return x;
}

// Pairs of columns, the odd one first.
float rounded_chain(const float* x, const double* w, std::int64_t cols) {
  float y = 0;
  for (std::int64_t pair = 0; pair < cols; pair += 2) {
    for (const std::int64_t k : {pair + 1, pair}) {
      if (k < cols) y = std::fma(round_to_bf16(x[k]), float(w[k]), y);
    }
  }
  return y;
}

std::vector<float> defined_outputs(const Product& p, const RandomTensor& tensor) {
  const DType dtype = p.w->dtype();
  const std::int64_t rows = p.w->rows(), cols = p.w->cols(), ldy = rows + 5;
  const std::vector<double> values = tensor.values();
  const std::int64_t row_bytes = cols / block_values(dtype) * block_bytes(dtype);
  std::vector<float> expected(size_t(p.m * ldy), untouched);
  for (std::int64_t i = 0; i < p.m; ++i) {
    const float* x = p.x.data() + i * p.ldx;
    for (std::int64_t n = 0; n < rows; ++n) {
      const std::byte* blocks = tensor.get().bytes.data() + n * row_bytes;
      const double* w = values.data() + n * cols;
      const float sum = is_quantized(dtype) ? quantized_chain(x, p.fast, dtype, blocks, cols)
                        : rounds(p)         ? rounded_chain(x, w, cols)
                                            : plain_chain(x, w, cols);
      expected[size_t(i * ldy + n)] = sum + p.bias[size_t(n)];
    }
  }
  return expected;
}

// The chains that the contract defines; bits equal on all levels that have fma.
TEST(Matmul, IsTheDefinedChain) {
  for (const DType dtype : test::weight_types) {
    const RandomTensor tensor(dtype, 70, whole_blocks(dtype, 544), 3);
    const Weight w = packed(tensor.get());
    for (const bool fast : {false, true}) {
      Product p = product(w, 8, true);
      p.fast = fast;
      const std::vector<float> expected = defined_outputs(p, tensor);
      for (const FloatKernels* kernels : fma_kernels()) {
        EXPECT_TRUE(test::same_bits(run(*kernels, p), expected))
            << kernels->name << " " << to_string(dtype) << (fast ? " fast" : "");
      }
    }
  }
}

// One sum over as many columns as the type can have, of the largest products there are: nothing
// overflows, whatever way a machine takes (products of bytes begin below zero and pass through what
// 32 bits cannot hold).
TEST(Matmul, TheLargestSumOfAChannelFits) {
  const std::int64_t cols = 1 << 17;
  ASSERT_TRUE(detail::can_be(DType::q8_channel, cols));
  ASSERT_FALSE(detail::can_be(DType::q8_channel, cols + 32));
  std::vector<float> values(size_t(cols), -3.0f);
  const FileTensor tensor{"w", DType::f32, {1, cols}, std::as_bytes(std::span(values))};
  ThreadPool pool(1);
  const Weight w({{{&tensor, false}}, {}}, WeightLayout::panels, pool, DType::q8_channel);
  for (const float sign : {1.0f, -1.0f}) {
    for (const std::int64_t m : {1, 2}) {
      Product p{&w, std::vector<float>(size_t(m * cols), sign * 2), cols, m, {}, true};
      const float expected = -float(127 * 127 * cols) * ((3.0f / 127) * (sign * 2 / 127));
      for (const FloatKernels* kernels : test::available_kernels()) {
        EXPECT_EQ(run(*kernels, p)[0], expected) << kernels->name << " " << m;
      }
    }
  }
}

// What rounding to integers must not hide or invent.
TEST(Matmul, QuantizedActivationsAtTheEnds) {
  for (const DType dtype :
       {DType::q8_0, DType::q8_channel, DType::q4_0, DType::q4_1, DType::q6_k}) {
    const RandomTensor tensor(dtype, 64, 256, 9);
    const Weight w = packed(tensor.get());
    for (const bool fast : {false, true}) {
      const auto first = [&](const FloatKernels& kernels, const std::vector<float>& x) {
        Product p{&w, x, 256, 1, {}, fast};
        return run(kernels, p)[0];
      };
      for (const FloatKernels* kernels : test::available_kernels()) {
        std::vector<float> x(256);
        EXPECT_EQ(first(*kernels, x), 0.0f);
        x[100] = 1e-38f;  // too small for a scale
        EXPECT_EQ(first(*kernels, x), 0.0f);
        x[100] = std::numeric_limits<float>::max();
        EXPECT_FALSE(std::isnan(first(*kernels, x))) << kernels->name << " " << to_string(dtype);
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
          x[100] = bad;
          EXPECT_FALSE(std::isfinite(first(*kernels, x)))
              << kernels->name << " " << to_string(dtype);
          x[101] = -3;
          EXPECT_FALSE(std::isfinite(first(*kernels, x)));
        }
      }
    }
  }
}

TEST(Matmul, ARowDependsOnNothingElse) {
  for (const DType dtype : test::weight_types) {
    const RandomTensor tensor(dtype, 150, whole_blocks(dtype, 320), 11);
    const Weight w = packed(tensor.get());
    const std::size_t ldy = 155;
    for (const FloatKernels* kernels : test::available_kernels()) {
      for (const bool fast : {false, true}) {
        if (fast && (dtype == DType::f32 || dtype == DType::f16)) continue;  // the same
        Product all = product(w, 200, true);
        all.fast = fast;
        const std::vector<float> y = run(*kernels, all);
        for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 64, 130, 193}) {
          for (const std::int64_t first : {std::int64_t{0}, 200 - m}) {
            Product some = all;
            some.m = m;
            some.x.erase(some.x.begin(), some.x.begin() + first * some.ldx);
            const std::vector<float> part = run(*kernels, some);
            EXPECT_TRUE(std::equal(part.begin(), part.end(), y.begin() + first * std::int64_t(ldy)))
                << kernels->name << " " << to_string(dtype) << " m " << m;
          }
        }
      }
    }
  }
}

TEST(Matmul, SplitsByPanels) {
  for (const DType dtype : test::weight_types) {
    const RandomTensor tensor(dtype, 300, whole_blocks(dtype, 96), 12);
    const Weight w = packed(tensor.get());
    for (const FloatKernels* kernels : test::available_kernels()) {
      for (const std::int64_t m : {1, 3, 40}) {
        const Product p = product(w, m, true);
        const std::vector<float> whole = run(*kernels, p);
        EXPECT_TRUE(test::same_bits(whole, run(*kernels, p, {1, 2, 3, 4})));
        EXPECT_TRUE(test::same_bits(whole, run(*kernels, p, {0, 3, 3})));
      }
    }
  }
}

TEST(Matmul, AllLevelsWithFmaAgreeToTheBit) {
  const auto levels = fma_kernels();
  if (levels.size() < 2) GTEST_SKIP() << "needs AVX-512";
  for (const DType dtype : test::weight_types) {
    const RandomTensor tensor(dtype, 333, whole_blocks(dtype, 608), 13);
    const Weight w = packed(tensor.get());
    for (const std::int64_t m : {1, 2, 3, 4, 5, 6, 7, 64, 66, 200}) {
      Product p = product(w, m, m % 2 == 0);
      p.fast = m % 4 < 2;
      for (const FloatKernels* level : levels) {
        EXPECT_TRUE(test::same_bits(run(*levels[0], p), run(*level, p)))
            << level->name << " " << to_string(dtype) << " m " << m;
      }
    }
  }
}

TEST(Matmul, NoRowsAndNoPanelsAreFine) {
  const RandomTensor tensor(DType::f32, 10, 10, 1);
  const Weight w = packed(tensor.get());
  for (const FloatKernels* kernels : test::available_kernels()) {
    detail::MatmulArgs args;
    args.w = w.panels();
    args.panel_end = 1;
    kernels->plain->matmul(args);
    args.m = 3;
    args.panel_begin = 1;
    kernels->plain->matmul(args);
  }
}

// bf16 beside bf16: the rounding of the largest, of NaN and of what is nearly zero.
TEST(Matmul, RoundedActivationsAtTheEnds) {
  const RandomTensor tensor(DType::bf16, 64, 33, 9);
  const Weight w = packed(tensor.get());
  const float infinity = std::numeric_limits<float>::infinity();
  for (const FloatKernels* kernels : test::available_kernels()) {
    const auto first = [&](float at_4) {
      Product p{&w, std::vector<float>(33), 33, 1, {}, true};
      p.x[4] = at_4;
      return run(*kernels, p)[0];
    };
    const float w4 = float(tensor.values()[4]);
    EXPECT_EQ(first(0.0f), 0.0f);
    EXPECT_EQ(first(1.00390625f), w4);  // halfway, to even
    EXPECT_EQ(first(1.00390637f), 1.0078125f * w4);
    EXPECT_EQ(std::abs(first(std::numeric_limits<float>::max())), infinity);  // no bf16 so large
    EXPECT_EQ(std::abs(first(infinity)), infinity);
    EXPECT_TRUE(std::isnan(first(std::numeric_limits<float>::quiet_NaN())));
    if (kernels->name != "generic") {
      EXPECT_EQ(first(1e-39f), 0.0f) << kernels->name;
    }
  }
}

// One scratch serves products of several widths: that of the widest must do for all.
void expect_scratch_serves_all(const detail::ProductKernels& kernels, DType dtype, bool fast) {
  const std::int64_t widest = 11008;
  std::vector<float> scratch(size_t(kernels.scratch_floats(widest)) + 64);
  for (const std::int64_t cols : {256, 1536, 2016, 2048, 2080, 3072, 4096, 5632, 8192, 11008}) {
    EXPECT_LE(kernels.scratch_floats(cols), kernels.scratch_floats(widest));
    const RandomTensor tensor(dtype, 3, cols, 5);
    const Weight w = packed(tensor.get());
    Product p = product(w, 100, true);
    p.fast = fast;
    std::vector<float> y(100 * 8), expected = run(detail::float_kernels(), p);
    // Behind the scratch lies a mark that must stay.
    float* const begin = scratch.data() + 16 - (std::uintptr_t(scratch.data()) / 4) % 16;
    const auto size = kernels.scratch_floats(widest);
    begin[size] = untouched;
    detail::MatmulArgs args{p.x.data(),    p.ldx,    p.m, w.panels(), 0,   1,
                            p.bias.data(), y.data(), 8,   begin,      fast};
    kernels.matmul(args);
    EXPECT_EQ(begin[size], untouched) << cols;
    for (int i = 0; i < 100; ++i) EXPECT_EQ(y[size_t(i * 8)], expected[size_t(i * 8)]) << cols;
  }
}

TEST(Matmul, ScratchOfTheWidestServesAll) {
  const FloatKernels& kernels = detail::float_kernels();
  expect_scratch_serves_all(*kernels.quantized, DType::q8_0, false);
  expect_scratch_serves_all(*kernels.quantized, DType::q8_channel, true);
  expect_scratch_serves_all(*kernels.rounded, DType::bf16, true);
}

TEST(Matmul, DoubleReadsBothLayouts) {
  for (const DType dtype : test::weight_types) {
    const std::int64_t cols = whole_blocks(dtype, 96);
    const RandomTensor tensor(dtype, 130, cols, 21);
    const std::vector<double> values = tensor.values();
    for (const WeightLayout layout : {WeightLayout::rows, WeightLayout::panels}) {
      const Weight w = packed(tensor.get(), layout);
      const std::vector<float> x32 = random_floats(9 * cols, 5);
      const std::vector<double> x(x32.begin(), x32.end());
      const TensorView<const double> rows(x.data(), 9, cols);
      std::vector<double> y(9 * 130), bias(130, 0.5), one(130),
          scratch(size_t(matmul_scratch<double>(cols)));
      matmul<double>(rows, w, {0, 3}, bias, {y.data(), 9, 130}, scratch);
      for (int i = 0; i < 9; ++i) {
        for (int n = 0; n < 130; ++n) {
          double sum = 0.5;
          for (int k = 0; k < cols; ++k)
            sum += x[size_t(i * cols + k)] * values[size_t(n * cols + k)];
          ASSERT_NEAR(y[size_t(i * 130 + n)], sum, 1e-12);
        }
        matmul<double>(rows.rows({i, i + 1}), w, {0, 3}, bias, {one.data(), 1, 130}, scratch);
        ASSERT_TRUE(std::equal(one.begin(), one.end(), y.begin() + i * 130));
      }
    }
  }
}

TEST(Matmul, FloatGoesThroughTheTable) {
  const RandomTensor tensor(DType::f16, 65, 40, 22);
  const Weight w = packed(tensor.get());
  const Product p = product(w, 3, true);
  std::vector<float> y(size_t(3 * 70), untouched);
  Workspace workspace;
  matmul<float>({p.x.data(), 3, 40, p.ldx}, w, {0, 2}, p.bias, {y.data(), 3, 65, 70},
                workspace.take<float>(matmul_scratch<float>(40)));
  EXPECT_TRUE(test::same_bits(y, run(detail::float_kernels(), p)));
}

}  // namespace
}  // namespace llm
