/// \file
/// The position-wise half of a block: down(act(up(x))), or gated down(act(gate(x)) * up(x))
/// (arXiv:2002.05202).
#pragma once

#include <cstdint>
#include <utility>

#include "llm/nn/layers.hpp"
#include "llm/nn/pass.hpp"

namespace llm {

template <typename S>
class FeedForward {
 public:
  struct Layers {
    Linear<S> gate;  ///< empty when not gated
    Linear<S> up, down;
  };

  FeedForward() = default;
  FeedForward(Activation activation, Layers layers)
      : activation_(activation), layers_(std::move(layers)) {}

  const Layers& layers() const { return layers_; }

  /// Rows x [rows, hidden] of the lane; returns [rows, hidden] in a shared buffer.
  const S* forward(const Lane<S>& lane, const S* x) const {
    const std::int64_t m = lane.rows.size(), inner = layers_.up.outputs();
    const Range panels = lane.share(layers_.up.panels());
    S* up = lane.pass.wide + lane.rows.begin * inner;    // [rows, inner]
    S* gate = lane.pass.gate + lane.rows.begin * inner;  // [rows, inner]
    layers_.up.forward(x, layers_.up.inputs(), m, panels, up, inner, lane.scratch);
    if (!layers_.gate.empty()) {
      layers_.gate.forward(x, layers_.gate.inputs(), m, panels, gate, inner, lane.scratch);
    }
    activate(lane.rows.size(), layers_.up.columns(panels), gate, up);
    lane.meet();

    S* out = lane.pass.narrow + lane.rows.begin * layers_.down.outputs();  // [rows, hidden]
    layers_.down.forward(up, inner, m, lane.share(layers_.down.panels()), out,
                         layers_.down.outputs(), lane.scratch);
    lane.meet();
    return out;
  }

 private:
  void activate(std::int64_t rows, Range columns, const S* gate, S* up) const {
    const std::int64_t inner = layers_.up.outputs();
    for (std::int64_t r = 0; r < rows; ++r) {
      S* u = up + r * inner + columns.begin;
      const S* g = gate + r * inner + columns.begin;
      if (layers_.gate.empty()) {
        ops::activate(activation_, u, columns.size(), u);
      } else {
        ops::activate_gated(activation_, g, u, columns.size(), u);
      }
    }
  }

  Activation activation_ = Activation::gelu;
  Layers layers_;
};

}  // namespace llm
