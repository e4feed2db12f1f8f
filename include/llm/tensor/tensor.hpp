/// \file
/// Tensors of activations: row-major matrices, 64-byte aligned, typed on the scalar (`float` is the
/// product, `double` the built-in reference). A vector is a matrix of one row. Eigen sees them
/// through the maps of eigen.hpp.
#pragma once

#include <cassert>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include "llm/core/buffer.hpp"
#include "llm/core/types.hpp"

namespace llm {

/// A matrix [rows, cols] that somebody else owns; `stride` is the distance between rows, so that a
/// view may be some columns of a wider matrix. `S` may be const. Copying it copies no elements.
template <typename S>
class TensorView {
 public:
  TensorView() = default;
  /// A matrix whose rows follow each other without gaps.
  TensorView(S* data, std::int64_t rows, std::int64_t cols) : TensorView(data, rows, cols, cols) {}
  /// A matrix whose rows begin `stride` elements apart, stride >= cols.
  TensorView(S* data, std::int64_t rows, std::int64_t cols, std::int64_t stride)
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {
    assert(rows >= 0 && cols >= 0 && stride >= cols);
  }
  /// A view of const elements from one of mutable elements.
  template <typename T, typename = std::enable_if_t<std::is_same_v<const T, S>>>
  TensorView(const TensorView<T>& other)  // NOLINT: implicit on purpose, as for pointers
      : TensorView(other.data(), other.rows(), other.cols(), other.stride()) {}

  S* data() const { return data_; }                ///< the first element
  std::int64_t rows() const { return rows_; }      ///< their number
  std::int64_t cols() const { return cols_; }      ///< elements of a row
  std::int64_t stride() const { return stride_; }  ///< elements from row to row

  /// The elements of a row.
  std::span<S> row(std::int64_t i) const {
    assert(i >= 0 && i < rows_);
    return {data_ + i * stride_, static_cast<std::size_t>(cols_)};
  }
  /// Columns [first, first + count) of a row.
  std::span<S> row(std::int64_t i, std::int64_t first, std::int64_t count) const {
    assert(first >= 0 && count >= 0 && first + count <= cols_);
    return row(i).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  }
  /// One element.
  S& operator()(std::int64_t i, std::int64_t j) const {
    assert(i >= 0 && i < rows_ && j >= 0 && j < cols_);
    return data_[i * stride_ + j];
  }

  /// Some rows, all columns.
  TensorView rows(Range range) const {
    assert(range.begin >= 0 && range.begin <= range.end && range.end <= rows_);
    return TensorView(data_ + range.begin * stride_, range.size(), cols_, stride_);
  }
  /// All rows, some columns.
  TensorView cols(Range range) const {
    assert(range.begin >= 0 && range.begin <= range.end && range.end <= cols_);
    return TensorView(data_ + range.begin, rows_, range.size(), stride_);
  }

 private:
  S* data_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
  std::int64_t stride_ = 0;
};

/// A matrix [rows, cols] that owns its memory. It can be moved, not copied.
template <typename S>
class Tensor {
 public:
  Tensor() = default;
  /// All elements are zero. Throws Error (out_of_memory).
  Tensor(std::int64_t rows, std::int64_t cols)
      : buffer_(bytes(rows, cols)), rows_(rows), cols_(cols) {}

  std::int64_t rows() const { return rows_; }         ///< their number
  std::int64_t cols() const { return cols_; }         ///< elements of a row
  bool empty() const { return buffer_.size() == 0; }  ///< whether it has no elements
  /// The first element, 64-byte aligned.
  S* data() { return reinterpret_cast<S*>(buffer_.data()); }
  /// The first element, 64-byte aligned.
  const S* data() const { return reinterpret_cast<const S*>(buffer_.data()); }
  /// All elements, row after row.
  std::span<S> values() { return {data(), static_cast<std::size_t>(rows_ * cols_)}; }
  /// All elements, row after row.
  std::span<const S> values() const { return {data(), static_cast<std::size_t>(rows_ * cols_)}; }

  /// The whole matrix.
  TensorView<S> view() { return {data(), rows_, cols_}; }
  /// The whole matrix.
  TensorView<const S> view() const { return {data(), rows_, cols_}; }
  /// The elements of a row.
  std::span<S> row(std::int64_t i) { return view().row(i); }
  /// The elements of a row.
  std::span<const S> row(std::int64_t i) const { return view().row(i); }

 private:
  // Size of a matrix; when it does not fit, a number that no allocation can satisfy.
  static std::size_t bytes(std::int64_t rows, std::int64_t cols) {
    assert(rows >= 0 && cols >= 0);
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / sizeof(S);
    if (cols > 0 && rows > most / cols) return std::numeric_limits<std::size_t>::max();
    return static_cast<std::size_t>(rows * cols) * sizeof(S);
  }

  Buffer buffer_;
  std::int64_t rows_ = 0;
  std::int64_t cols_ = 0;
};

}  // namespace llm
