/// \file
/// The two kinds of layers a transformer is stacked from. Both are driven by StackConfig.
#pragma once

#include <cstdint>
#include <utility>

#include "llm/nn/attention.hpp"
#include "llm/nn/feed_forward.hpp"

namespace llm {

/// One sublayer f with its residual connection, on the lane's rows x [rows, hidden]:
/// x = x + f(norm(x)), or x = norm(x + f(x)), as c.norm_placement says.
template <typename S, typename F>
void add_sublayer(const Lane<S>& lane, const StackConfig& c, const Norm<S>& norm, F&& f) {
  const bool pre = c.norm_placement == NormPlacement::pre;
  if (pre) norm.forward(lane.x, lane.normed);
  const TensorView<const S> input = pre ? lane.normed : lane.x;
  const TensorView<const S> output = f(input);
  ops::add(c.residual_from_norm ? input : lane.x, output, lane.x);
  if (!pre) norm.forward(lane.x, lane.x);
}

/// Self-attention over the whole sequence, then feed-forward.
template <typename S>
class EncoderBlock {
 public:
  /// The sublayers, and the norm of each.
  struct Layers {
    Norm<S> attention_norm;       ///< of self-attention
    Norm<S> feed_forward_norm;    ///< of feed-forward
    Attention<S> attention;       ///< self-attention
    FeedForward<S> feed_forward;  ///< the last sublayer
  };
  /// `layers` must all have the same hidden size.
  explicit EncoderBlock(Layers layers) : layers_(std::move(layers)) {}

  /// The sublayers.
  const Layers& layers() const { return layers_; }

  /// Takes the lane's residual stream, lane.x [rows, hidden], through all sublayers.
  void forward(const Lane<S>& lane, const StackConfig& c) const {
    add_sublayer(lane, c, layers_.attention_norm,
                 [&](TensorView<const S> x) { return layers_.attention.self(lane, x); });
    add_sublayer(lane, c, layers_.feed_forward_norm,
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
    Norm<S> attention_norm;        ///< of self-attention
    Norm<S> cross_attention_norm;  ///< of cross-attention; empty without an encoder
    Norm<S> feed_forward_norm;     ///< of feed-forward
    Attention<S> attention;        ///< self-attention
    Attention<S> cross_attention;  ///< to the source; empty without an encoder
    FeedForward<S> feed_forward;   ///< the last sublayer
  };
  /// `layers` must all have the same hidden size.
  explicit DecoderBlock(Layers layers) : layers_(std::move(layers)) {}

  /// The sublayers.
  const Layers& layers() const { return layers_; }

  /// Takes the lane's residual stream, lane.x [rows, hidden], through all sublayers.
  void forward(const Lane<S>& lane, const StackConfig& c) const {
    add_sublayer(lane, c, layers_.attention_norm,
                 [&](TensorView<const S> x) { return layers_.attention.self(lane, x); });
    if (c.cross_attention) {
      add_sublayer(lane, c, layers_.cross_attention_norm,
                   [&](TensorView<const S> x) { return layers_.cross_attention.cross(lane, x); });
    }
    add_sublayer(lane, c, layers_.feed_forward_norm,
                 [&](TensorView<const S> x) { return layers_.feed_forward.forward(lane, x); });
  }

 private:
  Layers layers_;
};

}  // namespace llm
