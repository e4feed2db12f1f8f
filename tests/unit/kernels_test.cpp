// Elementwise kernels: accuracy against the double functions of the library, equal bits on every
// instruction set, and the choice of the set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <numeric>

#include "support/catch_error.hpp"
#include "support/kernel_cases.hpp"

namespace llm {
namespace {

using detail::FloatKernels;
using test::available_kernels;
using test::random_floats;

constexpr Activation activations[] = {
    Activation::gelu,  Activation::gelu_tanh, Activation::quick_gelu, Activation::relu,
    Activation::relu2, Activation::silu,      Activation::tanh,       Activation::sigmoid};

double reference(Activation kind, double x) {
  switch (kind) {
    case Activation::gelu:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh: {
      // x (1 + tanh(y)) / 2 = x / (1 + e^-2y) without the cancellation
      const double y = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      return x / (1 + std::exp(-2 * y));
    }
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::relu:
      return std::max(0.0, x);
    case Activation::relu2:
      return std::max(0.0, x) * std::max(0.0, x);
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return 0;
}

// Largest error in ulp that was measured over a dense grid, rounded up; for the two with a rounded
// argument of the exponential the error grows with the argument, which costs nothing of the
// absolute accuracy.
double bound(Activation kind, double x) {
  const double argument = std::max(0.0, -x);
  switch (kind) {
    case Activation::gelu:
      return 6;
    case Activation::gelu_tanh:
      return 4 + 3 * argument * (1 + 0.1 * argument * argument);
    case Activation::quick_gelu:
      return 4 + 2 * argument;
    case Activation::relu:
      return 0;
    case Activation::relu2:
      return 1;
    case Activation::silu:
      return 4;
    case Activation::tanh:
      return 3;
    case Activation::sigmoid:
      return 3;
  }
  return 0;
}

std::vector<float> grid() {
  std::vector<float> x = {0.0f, -0.0f, 1e-38f, -1e-38f, 1e-30f, 1e-8f, 0.5f, -0.5f, 0.49999997f};
  for (double v = 1e-6; v < 100; v *= 1.0003) {
    x.push_back(float(v));
    x.push_back(float(-v));
  }
  return x;
}

TEST(Kernels, ActivationsAreAccurate) {
  const std::vector<float> x = grid();
  for (const FloatKernels* kernels : available_kernels()) {
    for (const Activation kind : activations) {
      std::vector<float> y(x.size());
      kernels->activate(kind, x.data(), std::int64_t(x.size()), y.data());
      double worst = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = reference(kind, x[i]);
        if (std::abs(expected) < 1.1e-36) {  // e^-88 is 0 here
          ASSERT_NEAR(y[i], expected, 1.1e-36);
          continue;
        }
        const double error = test::ulps(y[i], expected);
        if (std::abs(x[i]) < 4) worst = std::max(worst, error);
        ASSERT_LE(error, bound(kind, x[i])) << kernels->name << " " << int(kind) << " at " << x[i];
      }
      if (kernels->name == "generic") {
        RecordProperty("worst_ulp_" + std::to_string(int(kind)), std::to_string(worst));
      }
    }
  }
}

TEST(Kernels, ActivationsAtTheEnds) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const FloatKernels* kernels : available_kernels()) {
    const std::vector<float> x = {1e30f, -1e30f, std::nanf("")};
    for (const Activation kind : activations) {
      std::vector<float> y(x.size());
      kernels->activate(kind, x.data(), 3, y.data());
      const bool bounded = kind == Activation::tanh || kind == Activation::sigmoid;
      EXPECT_EQ(y[0], bounded ? 1.0f : kind == Activation::relu2 ? inf : 1e30f);
      EXPECT_EQ(y[1], kind == Activation::tanh ? -1.0f : 0.0f);
      EXPECT_TRUE(std::isnan(y[2])) << int(kind);
    }
    float y = 0;
    kernels->activate(Activation::tanh, &inf, 1, &y);
    EXPECT_EQ(y, 1.0f);
    kernels->activate(Activation::gelu, &inf, 1, &y);
    EXPECT_EQ(y, inf);
  }
}

// Runs every elementwise function on n values and returns all results.
std::vector<float> everything(const FloatKernels& kernels, std::int64_t n) {
  const std::vector<float> x = random_floats(n, unsigned(n), 3.0f), w = random_floats(n, 2),
                           b = random_floats(n, 3);
  std::vector<float> all, y(static_cast<std::size_t>(n));
  const auto keep = [&] { all.insert(all.end(), y.begin(), y.end()); };
  for (const Activation kind : activations) {
    kernels.activate(kind, x.data(), n, y.data());
    keep();
    kernels.activate_gated(kind, x.data(), w.data(), n, y.data());
    keep();
  }
  kernels.rms_norm(x.data(), w.data(), 1e-5f, n, y.data());
  keep();
  kernels.layer_norm(x.data(), w.data(), b.data(), 1e-5f, n, y.data());
  keep();
  kernels.layer_norm(x.data(), w.data(), nullptr, 1e-5f, n, y.data());
  keep();
  y = x;
  all.push_back(kernels.softmax(y.data(), n));
  keep();
  all.push_back(kernels.log_sum_exp(x.data(), n));
  all.push_back(float(kernels.argmax(x.data(), n)));
  return all;
}

TEST(Kernels, ElementwiseBitsAreEqualOnAllLevels) {
  for (const std::int64_t n : {1, 2, 15, 16, 17, 31, 64, 100, 576, 1003}) {
    const std::vector<float> expected = everything(*available_kernels().front(), n);
    for (const FloatKernels* kernels : available_kernels()) {
      EXPECT_TRUE(test::same_bits(everything(*kernels, n), expected)) << kernels->name << " " << n;
    }
  }
}

TEST(Kernels, EqualBitsOverTheWholeRange) {
  std::vector<float> x(1 << 16);
  for (std::uint32_t i = 0; i < x.size(); ++i) {  // every sign and exponent, some of the fractions
    const std::uint32_t bits = i << 16 | (i * 2654435761u >> 16);
    std::memcpy(&x[i], &bits, 4);
    if (std::isnan(x[i])) x[i] = 0;  // the payload of a NaN may differ
  }
  for (const Activation kind : activations) {
    std::vector<float> expected(x.size()), y(x.size());
    available_kernels().front()->activate(kind, x.data(), std::int64_t(x.size()), expected.data());
    for (const FloatKernels* kernels : available_kernels()) {
      kernels->activate(kind, x.data(), std::int64_t(x.size()), y.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::isnan(y[i]) && std::isnan(expected[i])) continue;
        ASSERT_EQ(std::memcmp(&y[i], &expected[i], 4), 0) << kernels->name << " at " << x[i];
      }
    }
  }
}

TEST(Kernels, ElementwiseMayRunInPlace) {
  for (const FloatKernels* kernels : available_kernels()) {
    for (const std::int64_t n : {5, 16, 37}) {
      const std::vector<float> x = random_floats(n, 1), w = random_floats(n, 2);
      const auto same = [&](const std::function<void(const float*, float*)>& f) {
        std::vector<float> apart(x.size()), in_place = x;
        f(x.data(), apart.data());
        f(in_place.data(), in_place.data());
        EXPECT_TRUE(test::same_bits(apart, in_place)) << kernels->name;
      };
      same([&](const float* a, float* y) { kernels->activate(Activation::gelu, a, n, y); });
      same([&](const float* a, float* y) {
        kernels->activate_gated(Activation::silu, a, w.data(), n, y);
      });
      same([&](const float* a, float* y) {
        kernels->activate_gated(Activation::silu, w.data(), a, n, y);
      });
      same([&](const float* a, float* y) { kernels->rms_norm(a, w.data(), 1e-6f, n, y); });
      same([&](const float* a, float* y) {
        kernels->layer_norm(a, w.data(), w.data(), 1e-6f, n, y);
      });
    }
  }
}

// Lane sums of n positive terms err by at most (n / 16 + 4) eps / 2, the rest by a few eps.
TEST(Kernels, NormsAgreeWithDouble) {
  for (const FloatKernels* kernels : available_kernels()) {
    for (const std::int64_t n : {1, 3, 16, 47, 576, 2048}) {
      std::vector<float> x = random_floats(n, 4), w = random_floats(n, 5), b = random_floats(n, 6);
      for (float& v : x) v += 2.0f;
      double mean = 0, squares = 0, variance = 0;
      for (const float v : x) {
        mean += v / double(n);
        squares += double(v) * v / double(n);
      }
      for (const float v : x) variance += (v - mean) * (v - mean) / double(n);
      std::vector<float> rms(x.size()), layer(x.size());
      kernels->rms_norm(x.data(), w.data(), 1e-5f, n, rms.data());
      kernels->layer_norm(x.data(), w.data(), b.data(), 1e-5f, n, layer.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(rms[i], w[i] * x[i] / std::sqrt(squares + 1e-5), 2e-6 * std::abs(w[i] * x[i]));
        // with one value the variance is 0, and eps stands alone
        ASSERT_NEAR(layer[i], (x[i] - mean) / std::sqrt(variance + 1e-5) * w[i] + b[i],
                    1e-5 * (1 + std::abs(w[i])));
      }
    }
  }
}

TEST(Kernels, SoftmaxAgreesWithDouble) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const FloatKernels* kernels : available_kernels()) {
    for (const std::int64_t n : {1, 2, 16, 33, 1000, 49152}) {
      std::vector<float> x = random_floats(n, 9, 5.0f);
      for (std::size_t i = 3; i < x.size(); i += 7) x[i] = -inf;
      double sum = 0;
      for (const float v : x) sum += std::exp(double(v));
      const float lse = kernels->log_sum_exp(x.data(), n);
      EXPECT_NEAR(lse, std::log(sum), 1e-6 * std::max(1.0, std::abs(std::log(sum))));
      std::vector<float> p = x;
      EXPECT_EQ(kernels->softmax(p.data(), n), lse);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = std::exp(double(x[i])) / sum;
        // x - max is rounded: relative eps times its size, here at most 45
        ASSERT_NEAR(p[i], expected, 6e-6 * expected) << kernels->name << " " << x[i];
        if (x[i] == -inf) {
          ASSERT_EQ(p[i], 0.0f);
        }
      }
    }
    std::vector<float> nothing(20, -inf);
    EXPECT_EQ(kernels->softmax(nothing.data(), 20), -inf);
    EXPECT_EQ(nothing, std::vector<float>(20, 0.0f));
    EXPECT_EQ(kernels->log_sum_exp(nothing.data(), 0), -inf);
    std::vector<float> shifted = {1000.0f, 1000.0f, 900.0f};
    EXPECT_NEAR(kernels->log_sum_exp(shifted.data(), 3), 1000.6931, 1e-4);
  }
}

TEST(Kernels, ArgmaxTakesTheFirst) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  for (const FloatKernels* kernels : available_kernels()) {
    const auto argmax = [&](const std::vector<float>& x) {
      return kernels->argmax(x.data(), std::int64_t(x.size()));
    };
    std::vector<float> x(100, 1.0f);
    EXPECT_EQ(argmax(x), 0);
    for (const std::size_t at : {99u, 97u, 64u, 50u, 15u, 1u}) {
      x[at] = 2.0f;
      EXPECT_EQ(argmax(x), std::int64_t(at));
    }
    EXPECT_EQ(argmax({nan, -3.0f, nan, -2.0f, nan}), 3);
    EXPECT_EQ(argmax({-inf, -inf, -inf}), 0);
    EXPECT_EQ(argmax({nan, -inf, -inf}), 1);
    EXPECT_EQ(argmax({nan}), 0);
    EXPECT_EQ(argmax({-0.0f, 0.0f}), 0);
    EXPECT_EQ(argmax({1.0f, inf, inf}), 1);
  }
}

TEST(Kernels, AreFoundByName) {
  EXPECT_EQ(detail::find_float_kernels("generic")->name, "generic");
  EXPECT_EQ(detail::find_float_kernels("avx1024"), nullptr);
  for (const FloatKernels* kernels : available_kernels()) {
    EXPECT_EQ(detail::find_float_kernels(kernels->name), kernels);
  }
}

// The choice is made once in a process, so each case runs in one of its own.
TEST(KernelsDeathTest, TheEnvironmentForcesALevel) {
  const auto exit_code = [](const char* isa) {
    setenv("LLM_ISA", isa, 1);
    try {
      std::exit(detail::float_kernels().name == isa ? 10 : 11);
    } catch (const Error& error) {
      const bool explains = std::string(error.what()).find("generic") != std::string::npos;
      std::exit(error.code() == ErrorCode::invalid_option && explains ? 12 : 13);
    }
  };
  EXPECT_EXIT(exit_code("generic"), ::testing::ExitedWithCode(10), "");
  EXPECT_EXIT(exit_code("sse9"), ::testing::ExitedWithCode(12), "");
}

}  // namespace
}  // namespace llm
