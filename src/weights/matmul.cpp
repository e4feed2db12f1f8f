// Products with weights: `float` with the kernels of this machine; `double`, for verifying, with
// Eigen on dequantized rows.
#include <Eigen/Core>
#include <algorithm>
#include <type_traits>

#include "llm/core/error.hpp"
#include "llm/tensor/kernels.hpp"
#include "llm/weights/weight.hpp"

namespace llm {
namespace {

void multiply(const Matmul<float>& args) {
  if (args.w->layout() != WeightLayout::panels) {
    throw Error(ErrorCode::internal,
                "a float product was given a weight in rows, expected one in panels");
  }
  const bool fast = args.w->is_fast();
  const detail::ProductKernels& kernels = detail::float_kernels().products(args.w->dtype(), fast);
  kernels.matmul({args.x, args.ldx, args.m, args.w->panels(), args.panel_begin, args.panel_end,
                  args.bias, args.y, args.ldy, args.scratch, fast});
}

// One matrix-vector product per row of x, so that a row's value does not depend on other rows.
void multiply(const Matmul<double>& args) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const std::int64_t rows = args.w->rows(), cols = args.w->cols();
  for (std::int64_t p = args.panel_begin; p < args.panel_end; ++p) {
    const std::int64_t first = p * detail::panel_rows;
    const std::int64_t count = std::min(detail::panel_rows, rows - first);
    for (std::int64_t j = 0; j < count; ++j) args.w->read_row(first + j, args.scratch + j * cols);
    const Eigen::Map<const Matrix> w(args.scratch, count, cols);
    for (std::int64_t i = 0; i < args.m; ++i) {
      const Eigen::Map<const Eigen::VectorXd> x(args.x + i * args.ldx, cols);
      Eigen::Map<Eigen::VectorXd> y(args.y + i * args.ldy + first, count);
      y.noalias() = w * x;
      if (args.bias) y += Eigen::Map<const Eigen::VectorXd>(args.bias + first, count);
    }
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
void matmul(const Matmul<S>& args) {
  multiply(args);
}

template std::int64_t matmul_scratch<float>(std::int64_t);
template std::int64_t matmul_scratch<double>(std::int64_t);
template void matmul<float>(const Matmul<float>&);
template void matmul<double>(const Matmul<double>&);

}  // namespace llm
