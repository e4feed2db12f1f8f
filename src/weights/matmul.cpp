// Products with weights: `float` by the kernels of this machine, `double` (what results are
// verified with) on dequantized rows.
#include <algorithm>
#include <cassert>
#include <type_traits>

#include "llm/core/error.hpp"
#include "llm/tensor/kernels.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/weights/weight.hpp"

namespace llm {
namespace {

void multiply(TensorView<const float> x, const Weight& w, Range panels, std::span<const float> bias,
              TensorView<float> y, std::span<float> scratch) {
  if (w.layout() != WeightLayout::panels) {
    throw Error(ErrorCode::internal,
                "a float product was given a weight in rows, expected one in panels");
  }
  const detail::ProductKernels& kernels = detail::float_kernels().products(w.dtype(), w.is_fast());
  kernels.matmul({x.data(), x.stride(), x.rows(), w.panels(), panels.begin, panels.end, bias.data(),
                  y.data(), y.stride(), scratch.data(), w.is_fast()});
}

void multiply(TensorView<const double> x, const Weight& w, Range panels,
              std::span<const double> bias, TensorView<double> y, std::span<double> scratch) {
  for (std::int64_t p = panels.begin; p < panels.end; ++p) {
    const std::int64_t first = p * detail::panel_rows;
    const Range outputs{first, std::min(first + detail::panel_rows, w.rows())};
    const TensorView<double> rows(scratch.data(), outputs.size(), w.cols());
    for (std::int64_t j = 0; j < rows.rows(); ++j) w.read_row(first + j, rows.row(j).data());
    const auto own_bias = bias.empty() ? bias
                                       : bias.subspan(static_cast<std::size_t>(first),
                                                      static_cast<std::size_t>(outputs.size()));
    ops::multiply(x, rows, own_bias, y.cols(outputs));
  }
}

}  // namespace

template <typename S>
std::int64_t matmul_scratch(std::int64_t cols) {
  if constexpr (std::is_same_v<S, float>) {
    const detail::FloatKernels& kernels = detail::float_kernels();
    return std::max({kernels.plain->scratch_floats(cols), kernels.rounded->scratch_floats(cols),
                     kernels.quantized->scratch_floats(cols)});
  } else {
    return detail::panel_rows * cols;
  }
}

template <typename S>
void matmul(TensorView<const S> x, const Weight& w, Range panels, std::span<const S> bias,
            TensorView<S> y, std::span<S> scratch) {
  assert(x.cols() == w.cols() && y.cols() == w.rows() && x.rows() == y.rows());
  assert(bias.empty() || std::ssize(bias) == w.rows());
  assert(0 <= panels.begin && panels.end <= detail::panel_count(w.rows()));
  assert(std::ssize(scratch) >= matmul_scratch<S>(w.cols()));
  multiply(x, w, panels, bias, y, scratch);
}

template std::int64_t matmul_scratch<float>(std::int64_t);
template std::int64_t matmul_scratch<double>(std::int64_t);
template void matmul<float>(TensorView<const float>, const Weight&, Range, std::span<const float>,
                            TensorView<float>, std::span<float>);
template void matmul<double>(TensorView<const double>, const Weight&, Range,
                             std::span<const double>, TensorView<double>, std::span<double>);

}  // namespace llm
