/// \file
/// What stands behind an encoder (or a decoder that classifies): hidden states -> logits over
/// labels or over the vocabulary.
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
  struct Layers {
    Linear<S> dense;
    Activation activation = Activation::tanh;
    Norm<S> norm;
    Linear<S> out;
    HeadRows rows = HeadRows::all;
  };

  Head() = default;
  explicit Head(Layers layers) : layers_(std::move(layers)) {}

  bool empty() const { return layers_.dense.empty() && layers_.out.empty(); }
  HeadRows rows() const { return layers_.rows; }
  std::int64_t outputs() const {
    return layers_.out.empty() ? layers_.dense.outputs() : layers_.out.outputs();
  }

  /// x [rows, hidden] -> [rows, outputs()]. x may lie in the workspace's slot of hidden states.
  Tensor<S> forward(TensorView<const S> x, ThreadPool& pool, Workspace& workspace) const {
    const std::int64_t m = x.rows();
    Tensor<S> result(Shape{m, outputs()});
    const std::int64_t width = layers_.dense.empty() ? 0 : layers_.dense.outputs();
    Tensor<S> inner(Shape{layers_.out.empty() ? 0 : m, width});  // between dense and out
    S* transformed = layers_.out.empty() ? result.data() : inner.data();
    const std::int64_t scratch_size = matmul_scratch<S>(std::max(x.cols(), width));
    for (int i = 0; i < pool.size(); ++i) {
      workspace.get<S>(detail::slot_lanes + static_cast<std::size_t>(i), scratch_size);
    }
    pool.run([&](const Worker& worker) {
      S* scratch = workspace.peek<S>(detail::slot_lanes + static_cast<std::size_t>(worker.index()));
      if (!layers_.dense.empty()) transform(x, worker.share(m), transformed, scratch);
      if (layers_.out.empty()) return;
      worker.sync();
      const S* input = layers_.dense.empty() ? x.data() : transformed;
      layers_.out.forward(input, layers_.dense.empty() ? x.stride() : width, m,
                          worker.share(layers_.out.panels()), result.data(), outputs(), scratch);
    });
    return result;
  }

 private:
  // Rows of x through dense, activation and norm into `to` [m, dense outputs].
  void transform(TensorView<const S> x, Range rows, S* to, S* scratch) const {
    const std::int64_t width = layers_.dense.outputs(), count = rows.size();
    if (count == 0) return;
    S* first = to + rows.begin * width;
    layers_.dense.forward(x.row(rows.begin), x.stride(), count, {0, layers_.dense.panels()}, first,
                          width, scratch);
    ops::activate(layers_.activation, first, count * width, first);
    if (!layers_.norm.empty()) layers_.norm.forward(first, count, first);
  }

  Layers layers_;
};

}  // namespace llm
