// Tensors, their views and Eigen maps; the plain operations of the double reference against values
// computed by Python's math module and by PyTorch (float64).
#include "llm/tensor/tensor.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/tensor/eigen.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/tensor/workspace.hpp"

namespace {

using llm::Activation;
using llm::Tensor;
using llm::TensorView;

TEST(Tensor, IsZeroAlignedAndRowMajor) {
  Tensor<float> t(3, 5);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data()) % 64, 0u);
  for (const float v : t.values()) EXPECT_EQ(v, 0.0f);
  t.view()(1, 2) = 7.0f;
  EXPECT_EQ(t.data()[7], 7.0f);
  EXPECT_EQ(t.rows(), 3);
  EXPECT_EQ(t.cols(), 5);
  EXPECT_TRUE(Tensor<float>().empty());
}

TEST(Tensor, EigenSeesTheSameMemory) {
  Tensor<double> a(2, 3), b(3, 2);
  for (int i = 0; i < 6; ++i) a.data()[i] = b.data()[i] = i;
  const Eigen::MatrixXd product = as_matrix(a.view()) * as_matrix(b.view());
  EXPECT_EQ(product(0, 0), 0 * 0 + 1 * 2 + 2 * 4);
  EXPECT_EQ(product(1, 1), 3 * 1 + 4 * 3 + 5 * 5);
  as_matrix(a.view())(1, 0) = 9.0;
  EXPECT_EQ(a.row(1)[0], 9.0);
}

TEST(TensorView, ColumnsOfAWiderMatrix) {
  std::vector<float> values(12);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const TensorView<const float> view(values.data() + 1, 3, 2, 4);
  EXPECT_EQ(view(2, 1), 10.0f);
  EXPECT_EQ(as_matrix(view)(2, 1), 10.0f);
  EXPECT_EQ(view.rows({1, 3})(0, 0), 5.0f);
  EXPECT_EQ(view.cols({1, 2})(1, 0), 6.0f);
  EXPECT_EQ(view.row(2, 1, 1).front(), 10.0f);
  EXPECT_EQ(view.row(0).size(), 2u);
}

TEST(Tensor, TooLargeIsAnError) {
  EXPECT_THROW(Tensor<double>(std::int64_t{1} << 40, 1 << 10), llm::Error);
}

TEST(Workspace, WhatIsTakenStaysApartUntilItIsReleased) {
  llm::Workspace workspace;
  std::vector<std::span<float>> taken;
  for (std::int64_t size : {100, 1, 0, 1 << 20, 7, 1 << 14}) {
    taken.push_back(workspace.take<float>(size));
    EXPECT_EQ(taken.back().size(), static_cast<std::size_t>(size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(taken.back().data()) % 64, 0u);
    std::ranges::fill(taken.back(), static_cast<float>(taken.size()));
  }
  for (std::size_t i = 0; i < taken.size(); ++i) {
    for (const float value : taken[i]) ASSERT_EQ(value, static_cast<float>(i + 1));
  }
  workspace.release();
  const float* const first = workspace.take<float>(100).data();
  workspace.take<float>(1 << 20);
  workspace.release();
  EXPECT_EQ(workspace.take<double>(10, 10).data(), reinterpret_cast<const double*>(first))
      << "the memory is used again";
}

// torch.nn.functional in float64 at x = -1.5, 0.3, 2.0.
TEST(Ops, ActivationsInDouble) {
  struct Row {
    Activation f;
    std::array<double, 3> expected;
  };
  const std::array<double, 3> x{-1.5, 0.3, 2.0};
  for (const Row& r : std::vector<Row>{
           {Activation::gelu, {-0.10021080190328704, 0.1853734266566858, 1.9544997361036416}},
           {Activation::gelu_tanh, {-0.10042842301976707, 0.18537092354275922, 1.954597694087775}},
           {Activation::quick_gelu, {-0.10833780155292341, 0.1874841353815917, 1.9356586231442083}},
           {Activation::relu, {0.0, 0.3, 2.0}},
           {Activation::relu2, {0.0, 0.09, 4.0}},
           {Activation::silu, {-0.2736382857095345, 0.1723327550434977, 1.7615941559557646}},
           {Activation::tanh, {-0.9051482536448664, 0.2913126124515909, 0.9640275800758169}},
           {Activation::sigmoid, {0.18242552380635635, 0.574442516811659, 0.8807970779778823}}}) {
    for (std::size_t i = 0; i < 3; ++i) {
      double y = x[i];
      llm::ops::activate(r.f, std::span(&y, 1));
      EXPECT_NEAR(y, r.expected[i], 1e-15) << static_cast<int>(r.f);
      double up = 3.0;
      llm::ops::activate_gated(r.f, std::span(&x[i], 1), std::span(&up, 1));
      EXPECT_NEAR(up, 3.0 * r.expected[i], 1e-14);
    }
  }
}

// torch.nn.functional.layer_norm and T5's RMS norm in float64.
TEST(Ops, NormsInDouble) {
  const std::array<double, 4> x{1.0, -2.0, 0.5, 4.0}, w{1.0, 0.5, 2.0, -1.0}, b{0.1, 0.2, 0.3, 0.4};
  std::array<double, 4> y{};
  llm::ops::layer_norm(x, w, b, 1e-5, y);
  EXPECT_NEAR(y[0], 0.15862097371316394, 1e-14);
  EXPECT_NEAR(y[1], -0.47414119770138524, 1e-14);
  EXPECT_NEAR(y[2], -0.051725842278983636, 1e-14);
  EXPECT_NEAR(y[3], -1.0655243428290984, 1e-14);
  llm::ops::rms_norm(x, w, 1e-6, y);
  EXPECT_NEAR(y[0], 0.43386087480334956, 1e-14);
  EXPECT_NEAR(y[1], -0.43386087480334956, 1e-14);
  EXPECT_NEAR(y[2], 0.43386087480334956, 1e-14);
  EXPECT_NEAR(y[3], -1.7354434992133982, 1e-14);
}

TEST(Ops, SoftmaxMasksAndSumsToOne) {
  const double masked = -std::numeric_limits<double>::infinity();
  std::array<double, 4> x{1.0, masked, 3.0, 1000.0};
  EXPECT_DOUBLE_EQ(llm::ops::softmax(x), 1000.0);
  EXPECT_EQ(x[1], 0.0);
  EXPECT_DOUBLE_EQ(x[0] + x[2] + x[3], 1.0);
  const std::array<double, 3> ties{2.0, 5.0, 5.0};
  EXPECT_EQ(llm::ops::argmax(ties), 1);
}

}  // namespace
