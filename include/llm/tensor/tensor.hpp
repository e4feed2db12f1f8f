/// \file
/// Tensors of activations: row-major, 64-byte aligned, typed on the scalar (`float` is the product,
/// `double` the built-in reference). Eigen sees them through maps; no Eigen type owns memory here.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <type_traits>

#include "llm/core/buffer.hpp"

namespace llm {

/// Up to four dimensions, outermost first.
class Shape {
 public:
  static constexpr int max_rank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    assert(rank_ <= max_rank);
    std::copy(dims.begin(), dims.end(), dims_.begin());
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const {
    assert(i >= 0 && i < rank_);
    return dims_[static_cast<std::size_t>(i)];
  }
  std::int64_t elements() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= (*this)[i];
    return n;
  }
  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, max_rank> dims_{};
  int rank_ = 0;
};

/// Row-major matrix type that the Eigen maps refer to.
template <typename S>
using EigenMatrix =
    Eigen::Matrix<std::remove_const_t<S>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Borrowed tensor: a pointer, a shape, and the distance between consecutive indices of the first
/// dimension (so a view may be some columns of a wider matrix). `S` may be const.
template <typename S>
class TensorView {
 public:
  TensorView() = default;
  TensorView(S* data, Shape shape) : TensorView(data, shape, shape.rank() ? inner(shape) : 0) {}
  TensorView(S* data, Shape shape, std::int64_t stride)
      : data_(data), shape_(shape), stride_(stride) {}
  /// A view of const elements from one of mutable elements.
  template <typename T, typename = std::enable_if_t<std::is_same_v<const T, S>>>
  TensorView(const TensorView<T>& other)  // NOLINT: implicit on purpose, as for pointers
      : TensorView(other.data(), other.shape(), other.stride()) {}

  S* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  std::int64_t stride() const { return stride_; }
  std::int64_t rows() const { return shape_.rank() ? shape_[0] : 0; }
  /// Elements per index of the first dimension.
  std::int64_t cols() const { return shape_.rank() ? inner(shape_) : 0; }

  S* row(std::int64_t i) const {
    assert(i >= 0 && i < rows());
    return data_ + i * stride_;
  }
  std::span<S> row_span(std::int64_t i) const { return {row(i), static_cast<std::size_t>(cols())}; }
  S& operator()(std::int64_t i, std::int64_t j) const {
    assert(j >= 0 && j < cols());
    return row(i)[j];
  }
  /// Rows [first, first + count).
  TensorView rows_view(std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= rows());
    return TensorView(data_ + first * stride_, Shape{count, cols()}, stride_);
  }

  /// The first dimension as rows, all others as columns.
  auto as_matrix() const {
    using Matrix = std::conditional_t<std::is_const_v<S>, const EigenMatrix<S>, EigenMatrix<S>>;
    return Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(
        data_, rows(), cols(), Eigen::OuterStride<>(stride_));
  }

 private:
  static std::int64_t inner(const Shape& shape) {
    std::int64_t n = 1;
    for (int i = 1; i < shape.rank(); ++i) n *= shape[i];
    return n;
  }

  S* data_ = nullptr;
  Shape shape_;
  std::int64_t stride_ = 0;
};

/// Owning tensor, zero-initialised, movable.
template <typename S>
class Tensor {
 public:
  Tensor() = default;
  /// Throws Error (out_of_memory).
  explicit Tensor(Shape shape)
      : buffer_(static_cast<std::size_t>(shape.elements()) * sizeof(S)), shape_(shape) {}

  const Shape& shape() const { return shape_; }
  std::int64_t rows() const { return view().rows(); }
  std::int64_t cols() const { return view().cols(); }
  bool empty() const { return buffer_.size() == 0; }
  S* data() { return reinterpret_cast<S*>(buffer_.data()); }
  const S* data() const { return reinterpret_cast<const S*>(buffer_.data()); }
  std::span<const S> values() const {
    return {data(), static_cast<std::size_t>(shape_.elements())};
  }

  TensorView<S> view() { return {data(), shape_}; }
  TensorView<const S> view() const { return {data(), shape_}; }
  S* row(std::int64_t i) { return view().row(i); }
  const S* row(std::int64_t i) const { return view().row(i); }
  auto as_matrix() { return view().as_matrix(); }
  auto as_matrix() const { return view().as_matrix(); }

 private:
  Buffer buffer_;
  Shape shape_;
};

}  // namespace llm
