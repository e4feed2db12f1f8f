/// \file
/// Eigen's view of tensors, for programs that compute with them and for the `double` reference. No
/// other public header includes Eigen.
#pragma once

#include <Eigen/Core>
#include <span>
#include <type_traits>

#include "llm/tensor/tensor.hpp"

namespace llm {

namespace detail {

template <typename S, int rows>
using EigenType = Eigen::Matrix<std::remove_const_t<S>, rows, Eigen::Dynamic, Eigen::RowMajor>;
template <typename S, typename Type>
using ConstLike = std::conditional_t<std::is_const_v<S>, const Type, Type>;

}  // namespace detail

/// A matrix [rows, cols] over the same memory.
template <typename S>
auto as_matrix(TensorView<S> view) {
  using Matrix = detail::ConstLike<S, detail::EigenType<S, Eigen::Dynamic>>;
  return Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(
      view.data(), view.rows(), view.cols(), Eigen::OuterStride<>(view.stride()));
}

/// A row of numbers for element-wise expressions and sums. Its stride is known at run time only,
/// so Eigen visits one element after the other: a sum runs in the order of the elements, whatever
/// the address of the row and the vectors of the machine.
template <typename S>
auto as_array(std::span<S> row) {
  using Array = Eigen::Array<std::remove_const_t<S>, 1, Eigen::Dynamic>;
  return Eigen::Map<detail::ConstLike<S, Array>, Eigen::Unaligned, Eigen::InnerStride<>>(
      row.data(), static_cast<Eigen::Index>(row.size()), Eigen::InnerStride<>(1));
}

}  // namespace llm
