/// \file
/// The layers every block is made of: Linear, Norm, Embedding. Immutable after loading.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
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
  /// `bias` has outputs() values or is empty.
  Linear(std::vector<std::shared_ptr<const Weight>> parts, Tensor<S> bias)
      : parts_(std::move(parts)), bias_(std::move(bias)) {
    for (const auto& part : parts_) {
      outputs_ += part->rows();
      panels_ += detail::panel_count(part->rows());
    }
  }

  bool empty() const { return parts_.empty(); }
  std::int64_t inputs() const { return parts_.front()->cols(); }
  std::int64_t outputs() const { return outputs_; }
  /// Panels of 64 outputs: the unit in which workers share the outputs.
  std::int64_t panels() const { return panels_; }

  /// The outputs of a range of panels, as columns.
  Range columns(Range panels) const { return {column(panels.begin), column(panels.end)}; }

  /// y[i][columns(panels)] for m rows of x [m, inputs()]; y [m, outputs()].
  void forward(const S* x, std::int64_t ldx, std::int64_t m, Range panels, S* y, std::int64_t ldy,
               S* scratch) const {
    std::int64_t first_panel = 0, first_output = 0;
    for (const auto& part : parts_) {
      const std::int64_t count = detail::panel_count(part->rows());
      Matmul<S> product;
      product.panel_begin = std::clamp<std::int64_t>(panels.begin - first_panel, 0, count);
      product.panel_end = std::clamp<std::int64_t>(panels.end - first_panel, 0, count);
      if (m > 0 && product.panel_begin < product.panel_end) {
        product.x = x;
        product.ldx = ldx;
        product.m = m;
        product.w = part.get();
        product.bias = bias_.empty() ? nullptr : bias_.data() + first_output;
        product.y = y + first_output;
        product.ldy = ldy;
        product.scratch = scratch;
        matmul(product);
      }
      first_panel += count;
      first_output += part->rows();
    }
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
  /// `bias` may be empty.
  Norm(NormKind kind, double eps, Tensor<S> weight, Tensor<S> bias)
      : kind_(kind),
        eps_(static_cast<S>(eps)),
        weight_(std::move(weight)),
        bias_(std::move(bias)) {}

  bool empty() const { return weight_.empty(); }
  std::int64_t size() const { return weight_.shape().elements(); }

  /// One vector of size() values; x == y allowed.
  void forward(const S* x, S* y) const {
    if (kind_ == NormKind::rms_norm) {
      ops::rms_norm(x, weight_.data(), eps_, size(), y);
    } else {
      ops::layer_norm(x, weight_.data(), bias_.empty() ? nullptr : bias_.data(), eps_, size(), y);
    }
  }
  /// Rows of size() values.
  void forward(const S* x, std::int64_t rows, S* y) const {
    for (std::int64_t r = 0; r < rows; ++r) forward(x + r * size(), y + r * size());
  }

 private:
  NormKind kind_ = NormKind::layer_norm;
  S eps_ = 0;
  Tensor<S> weight_, bias_;
};

/// Rows of a matrix by number. Shares its Weight with the LM head when they are tied.
template <typename S>
class Embedding {
 public:
  Embedding() = default;
  explicit Embedding(std::shared_ptr<const Weight> weight) : weight_(std::move(weight)) {}

  bool empty() const { return !weight_; }
  /// out[columns] = row `index` of the matrix; 0 <= index < its rows.
  void read(std::int64_t index, S* out) const { weight_->read_row(index, out); }

 private:
  std::shared_ptr<const Weight> weight_;
};

}  // namespace llm
