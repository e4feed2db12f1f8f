/// \file
/// What follows an encoder, or a decoder that classifies: hidden states -> logits over labels or
/// over the vocabulary.
#pragma once

#include <cstdint>
#include <utility>

#include "llm/model/model_source.hpp"
#include "llm/nn/stack.hpp"
#include "llm/tensor/workspace.hpp"

namespace llm {

/// out(norm(activation(dense(x)))); dense, norm and out may each be absent.
template <typename S>
class Head {
 public:
  /// What the head is made of.
  struct Layers {
    Linear<S> dense;                           ///< [inner, hidden]; may be empty
    Activation activation = Activation::tanh;  ///< after `dense`
    Norm<S> norm;                              ///< after the activation; may be empty
    Linear<S> out;                             ///< [outputs, inner]; may be empty
    HeadRows rows = HeadRows::all;             ///< the tokens of a text that the head reads
  };

  Head() = default;
  /// `layers` must have `dense` or `out`, or both.
  explicit Head(Layers layers) : layers_(std::move(layers)) {}

  /// Whether there is no head.
  bool empty() const { return layers_.dense.empty() && layers_.out.empty(); }
  /// The tokens of a text that the head reads.
  HeadRows rows() const { return layers_.rows; }
  /// Columns of the result: labels, ids of the vocabulary, or the width of a pooled vector.
  std::int64_t outputs() const {
    return layers_.out.empty() ? layers_.dense.outputs() : layers_.out.outputs();
  }

  /// x [rows, hidden] -> [rows, outputs()]. Takes scratch from the workspace, which x may lie in.
  Tensor<S> forward(TensorView<const S> x, ThreadPool& pool, Workspace& workspace) const {
    Tensor<S> result(x.rows(), outputs());
    const std::int64_t width = layers_.dense.empty() ? 0 : layers_.dense.outputs();
    const TensorView<S> dense =  // what goes into `out`
        layers_.out.empty() ? result.view() : workspace.take<S>(x.rows(), width);
    const TensorView<S> scratch = take_scratch<S>(std::max(x.cols(), width), pool, workspace);
    pool.run([&](const Worker& worker) {
      const std::span<S> own_scratch = scratch.row(worker.index());
      const Range rows = worker.share(x.rows());
      if (!layers_.dense.empty()) transform(x.rows(rows), dense.rows(rows), own_scratch);
      if (layers_.out.empty()) return;
      worker.sync();
      layers_.out.forward(layers_.dense.empty() ? x : dense, worker.share(layers_.out.panels()),
                          result.view(), own_scratch);
    });
    return result;
  }

 private:
  // y = norm(activation(dense(x))).
  void transform(TensorView<const S> x, TensorView<S> y, std::span<S> scratch) const {
    layers_.dense.forward(x, y, scratch);
    for (std::int64_t r = 0; r < y.rows(); ++r) ops::activate(layers_.activation, y.row(r));
    if (!layers_.norm.empty()) layers_.norm.forward(y, y);
  }

  Layers layers_;
};

}  // namespace llm
