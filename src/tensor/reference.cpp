// The operations in `double`, written as in the papers. Results are verified with them, so they are
// kept plain rather than fast.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "llm/tensor/eigen.hpp"
#include "llm/tensor/ops.hpp"

namespace llm::ops {
namespace {

double activation(Activation f, double x) {
  switch (f) {
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
    case Activation::gelu_tanh: {
      const double c = std::sqrt(2 / std::numbers::pi);
      return 0.5 * x * (1 + std::tanh(c * (x + 0.044715 * x * x * x)));
    }
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::relu2:
      return x > 0 ? x * x : 0;
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}

}  // namespace

void activate(Activation f, std::span<double> x) {
  as_array(x) = as_array(x).unaryExpr([f](double value) { return activation(f, value); });
}

void activate_gated(Activation f, std::span<const double> gate, std::span<double> up) {
  as_array(up) *= as_array(gate).unaryExpr([f](double value) { return activation(f, value); });
}

void rms_norm(std::span<const double> x, std::span<const double> weight, double eps,
              std::span<double> y) {
  const double scale = 1 / std::sqrt(as_array(x).square().mean() + eps);
  as_array(y) = as_array(weight) * (as_array(x) * scale);
}

void layer_norm(std::span<const double> x, std::span<const double> weight,
                std::span<const double> bias, double eps, std::span<double> y) {
  const double mean = as_array(x).mean();
  const double scale = 1 / std::sqrt((as_array(x) - mean).square().mean() + eps);
  as_array(y) = (as_array(x) - mean) * scale * as_array(weight);
  if (!bias.empty()) as_array(y) += as_array(bias);
}

double log_sum_exp(std::span<const double> x) {
  const double max = as_array(x).maxCoeff();
  return max + std::log((as_array(x) - max).exp().sum());
}

double softmax(std::span<double> x) {
  const double total = log_sum_exp(x);
  as_array(x) = (as_array(x) - total).exp();
  return total;
}

std::int64_t argmax(std::span<const double> x) { return std::ranges::max_element(x) - x.begin(); }

void multiply(TensorView<const double> x, TensorView<const double> w, std::span<const double> bias,
              TensorView<double> y) {
  for (std::int64_t i = 0; i < x.rows(); ++i) {  // a row's value must not depend on the others
    as_matrix(y).row(i).transpose().noalias() = as_matrix(w) * as_matrix(x).row(i).transpose();
    if (!bias.empty()) as_array(y.row(i)) += as_array(bias);
  }
}

void attend(const detail::AttendArgs<double>& a) {
  constexpr std::int64_t page = 64;
  const auto key = [&](std::int64_t k) {  // [head_dim], a column of its page
    const double* first = static_cast<const double*>(a.k_pages[k / page]) + k % page;
    return Eigen::Map<const Eigen::ArrayXd, 0, Eigen::InnerStride<>>(first, a.head_dim,
                                                                     Eigen::InnerStride<>(page));
  };
  const auto value = [&](std::int64_t k) {
    const double* first = static_cast<const double*>(a.v_pages[k / page]) +
                          k % page * detail::padded_head_dim(a.head_dim);
    return Eigen::Map<const Eigen::ArrayXd>(first, a.head_dim);
  };
  for (std::int64_t r = 0; r < a.rows; ++r) {
    const Eigen::Map<const Eigen::ArrayXd> q(a.q + r * a.ldq, a.head_dim);
    Eigen::Map<Eigen::ArrayXd> out(a.out + r * a.ldo, a.head_dim);
    const std::int64_t lo = a.lo[r], count = a.hi[r] - lo;
    Eigen::ArrayXd p(count);
    for (std::int64_t i = 0; i < count; ++i) {
      p(i) = (q * key(lo + i)).sum() * a.q_scale + (a.bias ? a.bias[r][lo + i] : 0.0);
    }
    if (a.softcap != 0) p = a.softcap * (p / a.softcap).tanh();
    p = (p - p.maxCoeff()).unaryExpr([](double score) { return std::exp2(score); });
    const double sum = as_array(std::span<const double>(p.data(), p.data() + count)).sum();
    out.setZero();
    for (std::int64_t i = 0; i < count; ++i) out += p(i) / sum * value(lo + i);
  }
}

}  // namespace llm::ops
