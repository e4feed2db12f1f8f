/// \file
/// The two kinds of layers a transformer is stacked from. Both are driven by StackConfig.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <utility>

#include "llm/nn/attention.hpp"
#include "llm/nn/feed_forward.hpp"

namespace llm {

/// What a sublayer's output `y` adds to the residual stream: c.residual_scale * norm(y), in the
/// lane's `normed` unless it is y itself. `norm` may be empty.
template <typename S>
TensorView<const S> residual_of(const Lane<S>& lane, const StackConfig& c, const Norm<S>& norm,
                                TensorView<const S> y) {
  if (norm.empty() && c.residual_scale == 1.0) return y;
  for (std::int64_t r = 0; r < y.rows(); ++r) {
    const std::span<S> to = lane.normed.row(r);
    if (norm.empty()) {
      std::ranges::copy(y.row(r), to.begin());
    } else {
      norm.forward(y.row(r), to);
    }
    if (c.residual_scale != 1.0) ops::scale(to, static_cast<S>(c.residual_scale));
  }
  return lane.normed;
}

/// One sublayer f with its residual connection, on the lane's rows x [rows, hidden]:
/// x = x + out_norm(f(norm(x))), or x = norm(x + f(x)), as c.norm_placement says; `out_norm`, and
/// before a sublayer `norm`, may be empty.
template <typename S, typename F>
void add_sublayer(const Lane<S>& lane, const StackConfig& c, const Norm<S>& norm,
                  const Norm<S>& out_norm, F&& f) {
  const bool pre = c.norm_placement == NormPlacement::pre;
  // Both would need the lane's `normed`.
  assert(!c.residual_from_norm || (out_norm.empty() && c.residual_scale == 1.0));
  if (pre && !norm.empty()) norm.forward(lane.x, lane.normed);
  const TensorView<const S> input = pre && !norm.empty() ? lane.normed : lane.x;
  const TensorView<const S> output = residual_of(lane, c, out_norm, f(input));
  ops::add(c.residual_from_norm ? input : lane.x, output, lane.x);
  if (!pre) norm.forward(lane.x, lane.x);
}

/// Self-attention over the whole sequence, then feed-forward.
template <typename S>
class EncoderBlock {
 public:
  /// The sublayers, and the norm of each.
  struct Layers {
    Norm<S> attention_norm;         ///< of self-attention
    Norm<S> feed_forward_norm;      ///< of feed-forward
    Attention<S> attention;         ///< self-attention
    FeedForward<S> feed_forward;    ///< the last sublayer
    Norm<S> attention_out_norm;     ///< of what self-attention adds; may be empty
    Norm<S> feed_forward_out_norm;  ///< of what feed-forward adds; may be empty
  };
  /// `layers` must all have the same hidden size.
  explicit EncoderBlock(Layers layers) : layers_(std::move(layers)) {}

  /// The sublayers.
  const Layers& layers() const { return layers_; }

  /// Takes the lane's residual stream, lane.x [rows, hidden], through all sublayers.
  void forward(const Lane<S>& lane, const StackConfig& c) const {
    add_sublayer(lane, c, layers_.attention_norm, layers_.attention_out_norm,
                 [&](TensorView<const S> x) { return layers_.attention.self(lane, x); });
    add_sublayer(lane, c, layers_.feed_forward_norm, layers_.feed_forward_out_norm,
                 [&](TensorView<const S> x) { return layers_.feed_forward.forward(lane, x); });
  }

 private:
  Layers layers_;
};

/// Causal self-attention, cross-attention where the model has an encoder, then feed-forward.
template <typename S>
class DecoderBlock {
 public:
  /// The sublayers, and the norm of each.
  struct Layers {
    Norm<S> attention_norm;         ///< of self-attention
    Norm<S> cross_attention_norm;   ///< of cross-attention; empty without an encoder
    Norm<S> feed_forward_norm;      ///< of feed-forward
    Attention<S> attention;         ///< self-attention
    Attention<S> cross_attention;   ///< to the source; empty without an encoder
    FeedForward<S> feed_forward;    ///< the last sublayer
    Norm<S> attention_out_norm;     ///< of what self-attention adds; may be empty
    Norm<S> feed_forward_out_norm;  ///< of what feed-forward adds; may be empty
  };
  /// `layers` must all have the same hidden size.
  explicit DecoderBlock(Layers layers) : layers_(std::move(layers)) {}

  /// The sublayers.
  const Layers& layers() const { return layers_; }

  /// Takes the lane's residual stream, lane.x [rows, hidden], through all sublayers.
  void forward(const Lane<S>& lane, const StackConfig& c) const {
    if (c.parallel_sublayers) return forward_parallel(lane, c);
    add_sublayer(lane, c, layers_.attention_norm, layers_.attention_out_norm,
                 [&](TensorView<const S> x) { return layers_.attention.self(lane, x); });
    if (c.cross_attention) {
      add_sublayer(lane, c, layers_.cross_attention_norm, Norm<S>(),
                   [&](TensorView<const S> x) { return layers_.cross_attention.cross(lane, x); });
    }
    add_sublayer(lane, c, layers_.feed_forward_norm, layers_.feed_forward_out_norm,
                 [&](TensorView<const S> x) { return layers_.feed_forward.forward(lane, x); });
  }

 private:
  // x = x + attention(norm(x)) + feed_forward(norm'(x)); norm' may be norm.
  void forward_parallel(const Lane<S>& lane, [[maybe_unused]] const StackConfig& c) const {
    assert(c.residual_scale == 1.0 && layers_.attention_out_norm.empty());
    layers_.attention_norm.forward(lane.x, lane.normed);
    const TensorView<const S> attention = layers_.attention.self(lane, lane.normed);
    if (!layers_.feed_forward_norm.empty()) layers_.feed_forward_norm.forward(lane.x, lane.normed);
    ops::add(lane.x, attention, lane.x);
    ops::add(lane.x, layers_.feed_forward.forward(lane, lane.normed), lane.x);
  }

  Layers layers_;
};

}  // namespace llm
