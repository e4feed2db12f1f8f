/// \file
/// The position-wise sublayer of a block: down(act(up(x))), or gated down(act(gate(x)) * up(x))
/// (arXiv:2002.05202).
#pragma once

#include <cstdint>
#include <utility>

#include "llm/nn/layers.hpp"
#include "llm/nn/pass.hpp"

namespace llm {

/// The feed-forward sublayer: every row by itself.
template <typename S>
class FeedForward {
 public:
  /// The projections.
  struct Layers {
    Linear<S> gate;  ///< [intermediate, hidden]; empty when not gated
    Linear<S> up;    ///< [intermediate, hidden]
    Linear<S> down;  ///< [hidden, intermediate]
  };

  FeedForward() = default;
  /// `activation` acts on up(x), or on gate(x) when `layers` has a gate.
  FeedForward(Activation activation, Layers layers)
      : activation_(activation), layers_(std::move(layers)) {}

  /// The projections.
  const Layers& layers() const { return layers_; }

  /// x [rows, hidden] -> [rows, hidden], the lane's rows of the activations' sublayer_out.
  TensorView<const S> forward(const Lane<S>& lane, TensorView<const S> x) const {
    const TensorView<S> up = lane.own(lane.pass.activations.ffn_up);      // [rows, intermediate]
    const TensorView<S> gate = lane.own(lane.pass.activations.ffn_gate);  // the same, when gated
    const TensorView<S> out = lane.own(lane.pass.activations.sublayer_out);
    const Range panels = lane.share(layers_.up.panels());
    layers_.up.forward(x, panels, up, lane.scratch);
    if (is_gated()) layers_.gate.forward(x, panels, gate, lane.scratch);
    activate(gate, up, layers_.up.columns(panels));
    lane.meet();
    layers_.down.forward(up, lane.share(layers_.down.panels()), out, lane.scratch);
    lane.meet();
    return out;
  }

 private:
  bool is_gated() const { return !layers_.gate.empty(); }

  // up = act(up), or act(gate) * up, in some columns.
  void activate(TensorView<const S> gate, TensorView<S> up, Range columns) const {
    for (std::int64_t r = 0; r < up.rows(); ++r) {
      const std::span<S> values = up.row(r, columns.begin, columns.size());
      if (is_gated()) {
        ops::activate_gated(activation_, gate.row(r, columns.begin, columns.size()), values);
      } else {
        ops::activate(activation_, values);
      }
    }
  }

  Activation activation_ = Activation::gelu;
  Layers layers_;
};

}  // namespace llm
