/// \file
/// The layers every block is made of: Linear, Norm, Embedding. Immutable after loading.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "llm/nn/transformer_config.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/tensor/tensor.hpp"
#include "llm/weights/weight.hpp"

namespace llm {

/// y = x W^T + bias. W may consist of several matrices stacked along the outputs (query, key and
/// value in one product; of different dtypes where a file mixes them).
template <typename S>
class Linear {
 public:
  Linear() = default;
  /// `bias`: [1, outputs()], or empty.
  Linear(std::vector<std::shared_ptr<const Weight>> parts, Tensor<S> bias)
      : parts_(std::move(parts)), bias_(std::move(bias)) {
    for (const auto& part : parts_) {
      outputs_ += part->rows();
      panels_ += detail::panel_count(part->rows());
    }
  }

  bool empty() const { return parts_.empty(); }                   ///< whether there is none
  std::int64_t inputs() const { return parts_.front()->cols(); }  ///< columns of W
  std::int64_t outputs() const { return outputs_; }               ///< rows of W
  /// Panels of 64 outputs: the unit in which workers share the outputs.
  std::int64_t panels() const { return panels_; }

  /// The columns of y that a range of panels computes.
  Range columns(Range panels) const { return {column(panels.begin), column(panels.end)}; }

  /// Computes columns(panels) of y = x W^T + bias: x [rows, inputs()], y [rows, outputs()], scratch
  /// of matmul_scratch(inputs()) values.
  void forward(TensorView<const S> x, Range panels, TensorView<S> y, std::span<S> scratch) const {
    assert(x.cols() == inputs() && y.cols() == outputs() && x.rows() == y.rows());
    std::int64_t first_panel = 0, first_output = 0;
    for (const auto& part : parts_) {
      const std::int64_t count = detail::panel_count(part->rows());
      const Range own{std::clamp<std::int64_t>(panels.begin - first_panel, 0, count),
                      std::clamp<std::int64_t>(panels.end - first_panel, 0, count)};
      const Range outputs{first_output, first_output + part->rows()};
      if (x.rows() > 0 && own.size() > 0) {
        const auto bias = bias_.empty() ? std::span<const S>()
                                        : bias_.view().row(0, outputs.begin, outputs.size());
        matmul<S>(x, *part, own, bias, y.cols(outputs), scratch);
      }
      first_panel += count;
      first_output = outputs.end;
    }
  }
  /// Computes all columns.
  void forward(TensorView<const S> x, TensorView<S> y, std::span<S> scratch) const {
    forward(x, {0, panels()}, y, scratch);
  }

 private:
  std::int64_t column(std::int64_t panel) const {
    std::int64_t first_output = 0;
    for (const auto& part : parts_) {
      const std::int64_t count = detail::panel_count(part->rows());
      if (panel < count) return first_output + panel * detail::panel_rows;
      panel -= count;
      first_output += part->rows();
    }
    return outputs_;
  }

  std::vector<std::shared_ptr<const Weight>> parts_;
  Tensor<S> bias_;
  std::int64_t outputs_ = 0;
  std::int64_t panels_ = 0;
};

/// Layer norm or RMS norm over the last dimension.
template <typename S>
class Norm {
 public:
  Norm() = default;
  /// `weight`: [rows, size], mostly of one row; `bias`: the same, or empty.
  Norm(NormKind kind, double eps, Tensor<S> weight, Tensor<S> bias)
      : kind_(kind),
        eps_(static_cast<S>(eps)),
        weight_(std::move(weight)),
        bias_(std::move(bias)) {}

  bool empty() const { return weight_.empty(); }  ///< whether there is none
  /// Width of the vectors that it norms.
  std::int64_t size() const { return weight_.cols(); }

  /// y = norm(x), one vector of size() values; x == y allowed. With weights of several rows those
  /// of `row`.
  void forward(std::span<const S> x, std::span<S> y, std::int64_t row = 0) const {
    const std::int64_t own = weight_.rows() > 1 ? row : 0;
    const std::span<const S> weight = weight_.view().row(own);
    if (kind_ == NormKind::rms_norm) {
      ops::rms_norm(x, weight, eps_, y);
    } else {
      ops::layer_norm(x, weight, bias_.empty() ? bias_.values() : bias_.view().row(own), eps_, y);
    }
  }
  /// y = norm(x), row by row.
  void forward(TensorView<const S> x, TensorView<S> y) const {
    for (std::int64_t r = 0; r < x.rows(); ++r) forward(x.row(r), y.row(r));
  }

 private:
  NormKind kind_ = NormKind::layer_norm;
  S eps_ = 0;
  Tensor<S> weight_, bias_;
};

/// A table of vectors: look-up of a row by its number. Shares its Weight with the LM head when
/// they are tied.
template <typename S>
class Embedding {
 public:
  Embedding() = default;
  /// `weight`: [rows, columns], perhaps shared with a Linear.
  explicit Embedding(std::shared_ptr<const Weight> weight) : weight_(std::move(weight)) {}

  bool empty() const { return !weight_; }  ///< whether there is none
  /// out[columns] = row `index` of the matrix; 0 <= index < its rows.
  void read(std::int64_t index, std::span<S> out) const {
    assert(std::ssize(out) == weight_->cols());
    weight_->read_row(index, out.data());
  }

 private:
  std::shared_ptr<const Weight> weight_;
};

}  // namespace llm
