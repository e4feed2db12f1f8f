// Tensors, their views and Eigen maps; the plain operations of the double reference against values
// computed by Python's math module and by PyTorch (float64).
#include "llm/tensor/tensor.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/tensor/workspace.hpp"

namespace {

using llm::Activation;
using llm::Shape;
using llm::Tensor;
using llm::TensorView;

TEST(Tensor, IsZeroAlignedAndRowMajor) {
  Tensor<float> t(Shape{3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data()) % 64, 0u);
  for (const float v : t.values()) EXPECT_EQ(v, 0.0f);
  t.view()(1, 2) = 7.0f;
  EXPECT_EQ(t.data()[7], 7.0f);
  EXPECT_EQ(t.rows(), 3);
  EXPECT_EQ(t.cols(), 5);
  EXPECT_EQ((Tensor<float>(Shape{2, 3, 4}).cols()), 12);
  EXPECT_TRUE(Tensor<float>().empty());
}

TEST(Tensor, EigenSeesTheSameMemory) {
  Tensor<double> a(Shape{2, 3}), b(Shape{3, 2});
  for (int i = 0; i < 6; ++i) a.data()[i] = b.data()[i] = i;
  const Eigen::MatrixXd product = a.as_matrix() * b.as_matrix();
  EXPECT_EQ(product(0, 0), 0 * 0 + 1 * 2 + 2 * 4);
  EXPECT_EQ(product(1, 1), 3 * 1 + 4 * 3 + 5 * 5);
  a.as_matrix()(1, 0) = 9.0;
  EXPECT_EQ(a.row(1)[0], 9.0);
}

TEST(TensorView, ColumnsOfAWiderMatrix) {
  std::vector<float> values(12);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const TensorView<const float> view(values.data() + 1, Shape{3, 2}, 4);
  EXPECT_EQ(view(2, 1), 10.0f);
  EXPECT_EQ(view.as_matrix()(2, 1), 10.0f);
  EXPECT_EQ(view.rows_view(1, 2)(0, 0), 5.0f);
  EXPECT_EQ(view.row_span(0).size(), 2u);
}

TEST(Tensor, TooLargeIsAnError) {
  EXPECT_THROW(Tensor<double>(Shape{1 << 20, 1 << 20, 1 << 10}), llm::Error);
}

TEST(Workspace, GrowsAndKeepsSlotsApart) {
  llm::Workspace workspace;
  float* a = workspace.get<float>(3, 100);
  double* b = workspace.get<double>(0, 10);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a) % 64, 0u);
  a[99] = 1.0f;
  b[9] = 2.0;
  EXPECT_EQ(workspace.get<float>(3, 50), a) << "a smaller request keeps the memory";
  EXPECT_EQ(workspace.peek<float>(3)[99], 1.0f);
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
           {Activation::silu, {-0.2736382857095345, 0.1723327550434977, 1.7615941559557646}},
           {Activation::tanh, {-0.9051482536448664, 0.2913126124515909, 0.9640275800758169}},
           {Activation::sigmoid, {0.18242552380635635, 0.574442516811659, 0.8807970779778823}}}) {
    for (std::size_t i = 0; i < 3; ++i) {
      double y = 0;
      llm::ops::activate(r.f, &x[i], 1, &y);
      EXPECT_NEAR(y, r.expected[i], 1e-15) << static_cast<int>(r.f);
      const double up = 3.0;
      llm::ops::activate_gated(r.f, &x[i], &up, 1, &y);
      EXPECT_NEAR(y, 3.0 * r.expected[i], 1e-14);
    }
  }
}

// torch.nn.functional.layer_norm and T5's RMS norm in float64.
TEST(Ops, NormsInDouble) {
  const std::array<double, 4> x{1.0, -2.0, 0.5, 4.0}, w{1.0, 0.5, 2.0, -1.0}, b{0.1, 0.2, 0.3, 0.4};
  std::array<double, 4> y{};
  llm::ops::layer_norm(x.data(), w.data(), b.data(), 1e-5, 4, y.data());
  EXPECT_NEAR(y[0], 0.15862097371316394, 1e-14);
  EXPECT_NEAR(y[1], -0.47414119770138524, 1e-14);
  EXPECT_NEAR(y[2], -0.051725842278983636, 1e-14);
  EXPECT_NEAR(y[3], -1.0655243428290984, 1e-14);
  llm::ops::rms_norm(x.data(), w.data(), 1e-6, 4, y.data());
  EXPECT_NEAR(y[0], 0.43386087480334956, 1e-14);
  EXPECT_NEAR(y[1], -0.43386087480334956, 1e-14);
  EXPECT_NEAR(y[2], 0.43386087480334956, 1e-14);
  EXPECT_NEAR(y[3], -1.7354434992133982, 1e-14);
}

TEST(Ops, SoftmaxMasksAndSumsToOne) {
  const double masked = -std::numeric_limits<double>::infinity();
  std::array<double, 4> x{1.0, masked, 3.0, 1000.0};
  EXPECT_DOUBLE_EQ(llm::ops::softmax(x.data(), 4), 1000.0);
  EXPECT_EQ(x[1], 0.0);
  EXPECT_DOUBLE_EQ(x[0] + x[2] + x[3], 1.0);
  const std::array<double, 3> ties{2.0, 5.0, 5.0};
  EXPECT_EQ(llm::ops::argmax(ties.data(), 3), 1);
}

}  // namespace
