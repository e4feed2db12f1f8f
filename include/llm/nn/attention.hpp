/// \file
/// Multi-head and grouped-query attention over pages of keys and values: self-attention (causal or
/// not) and cross-attention (arXiv:1706.03762, arXiv:2305.13245).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <utility>

#include "llm/nn/layers.hpp"
#include "llm/nn/pass.hpp"
#include "llm/nn/position_scores.hpp"

namespace llm {

/// What one attention layer needs to know of its stack.
struct AttentionConfig {
  std::int64_t num_attention_heads = 0;  ///< query heads
  std::int64_t num_key_value_heads = 0;  ///< each serves a group of query heads
  std::int64_t head_dim = 0;             ///< width of a head
  double scale = 1.0;                    ///< factor on the dot product of query and key
  std::int64_t window = 0;               ///< keys a query may look back at, itself included; 0: all
  bool causal = false;                   ///< a query attends to no later position
  double softcap = 0;                    ///< StackConfig::attn_logit_softcapping
  double clip_qkv = 0;                   ///< StackConfig::clip_qkv
  bool norm_after_rotation = false;      ///< StackConfig::norm_after_rotation
  double query_growth = 0;               ///< StackConfig::query_growth
  std::int64_t query_growth_period = 1;  ///< StackConfig::query_growth_period
  std::int64_t rotary_pairs = 0;         ///< pairs of each head that are rotated; 0: none
  std::int64_t first_angle = 0;          ///< where their angles begin in a row of the lane's angles
  std::int64_t cache_layer = 0;          ///< where in the cache this layer's keys and values lie
  std::int64_t bias_layer = 0;           ///< which of the pass's position biases are this layer's
  std::int64_t max_rows = 0;             ///< query rows per call, see attend_rows()
};

/// One attention layer: its projections, and the attention of its heads.
template <typename S>
class Attention {
 public:
  /// The projections. Self-attention: `in` gives queries, keys and values side by side. Cross-
  /// attention: `in` gives queries, `source` keys and values of the source.
  struct Layers {
    Linear<S> in;        ///< [query + 2 * key/value size, hidden]; cross-attention: queries alone
    Linear<S> source;    ///< cross-attention only: [2 * key/value size, hidden]
    Linear<S> out;       ///< [hidden, query size]
    Norm<S> query_norm;  ///< of each head, or of all together; may be empty
    Norm<S> key_norm;    ///< the same of the keys
    PositionScores<S> position_scores;  ///< self-attention only; may be empty
  };

  Attention() = default;
  /// `layers` must have the sizes that `config` gives.
  Attention(AttentionConfig config, Layers layers) : c_(config), layers_(std::move(layers)) {}

  /// The projections.
  const Layers& layers() const { return layers_; }

  /// Self-attention of the lane's rows x [rows, hidden]; writes their keys and values to the
  /// caches of their sequences. Returns [rows, hidden] in the activations' sublayer_out.
  TensorView<const S> self(const Lane<S>& lane, TensorView<const S> x) const {
    const std::span<const SequenceTokens<S>> sequences = lane.pass.sequences;
    project_in(lane, x);
    for_each_part(lane, sequences, [&](const SequenceTokens<S>& s, Range rows, Range heads) {
      write_keys(lane, s, rows, heads);
    });
    lane.meet_keys();
    for_each_part(lane, sequences, [&](const SequenceTokens<S>& s, Range rows, Range heads) {
      attend(lane, {*s.cache, s.length(), &s}, rows, heads);
    });
    return project_out(lane);
  }

  /// Attention of the lane's rows to the sources of their sequences; as self().
  TensorView<const S> cross(const Lane<S>& lane, TensorView<const S> x) const {
    const std::span<const SourceRows<S>> sources = lane.pass.sources;
    project_in(lane, x);
    for_each_part(lane, sources, [&](const SourceRows<S>& source, Range rows, Range heads) {
      attend(lane, {*source.cross, source.cross->length(), nullptr}, rows, heads);
    });
    return project_out(lane);
  }

  /// Keys and values of source rows x [rows, hidden] at positions from `first_position` on of
  /// `cache`. `kv`: room for [rows, 2 * key/value size].
  void write_source(TensorView<const S> x, std::int64_t first_position, TensorView<S> kv,
                    std::span<S> scratch, KVCache<S>& cache) const {
    layers_.source.forward(x, kv, scratch);
    for (std::int64_t r = 0; r < x.rows(); ++r) {
      for (std::int64_t h = 0; h < c_.num_key_value_heads; ++h) {
        cache.write(first_position + r, c_.cache_layer, h, head(kv, r, h),
                    head(kv, r, c_.num_key_value_heads + h));
      }
    }
  }

 private:
  // The keys and values that some rows attend to: of their own sequence or of a source.
  struct Keys {
    const KVCache<S>& cache;
    std::int64_t length;
    const SequenceTokens<S>* self;  // whose they are; null: a source, all of which is seen
  };

  // Head `h` of a row of heads side by side. In qkv keys follow the queries, values the keys.
  std::span<S> head(TensorView<S> heads, std::int64_t row, std::int64_t h) const {
    return heads.row(row, h * c_.head_dim, c_.head_dim);
  }
  std::int64_t group_size() const { return c_.num_attention_heads / c_.num_key_value_heads; }

  void project_in(const Lane<S>& lane, TensorView<const S> x) const {
    const TensorView<S> qkv = lane.own(lane.pass.activations.qkv).cols({0, layers_.in.outputs()});
    const Range panels = lane.share(layers_.in.panels());
    layers_.in.forward(x, panels, qkv, lane.scratch);
    if (c_.clip_qkv > 0) clip(qkv.cols(layers_.in.columns(panels)));
    lane.meet();
    if (norms_all_heads()) norm_all_heads(lane);
  }

  void clip(TensorView<S> values) const {
    const S limit = static_cast<S>(c_.clip_qkv);
    for (std::int64_t r = 0; r < values.rows(); ++r) {
      for (S& value : values.row(r)) value = std::clamp(value, -limit, limit);
    }
  }

  // Norms of all heads together are computed before the heads go their ways.
  bool norms_all_heads() const {
    return !layers_.query_norm.empty() && layers_.query_norm.size() != c_.head_dim;
  }
  void norm_all_heads(const Lane<S>& lane) const {
    const std::int64_t queries = layers_.query_norm.size(), keys = layers_.key_norm.size();
    const Range rows = lane.finished_rows();
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::span<S> q = lane.pass.activations.qkv.row(row, 0, queries);
      const std::span<S> k = lane.pass.activations.qkv.row(row, queries, keys);
      layers_.query_norm.forward(q, q);
      layers_.key_norm.forward(k, k);
    }
    lane.meet();
  }

  TensorView<const S> project_out(const Lane<S>& lane) const {
    const TensorView<S> out = lane.own(lane.pass.activations.sublayer_out);
    lane.meet();
    layers_.out.forward(lane.own(lane.pass.activations.attention_out),
                        lane.share(layers_.out.panels()), out, lane.scratch);
    lane.meet();
    return out;
  }

  // This worker's part of the attention, as rows and key/value heads of sequences (or sources): its
  // own rows and all heads, or its share of the (sequence, head) pairs. So keys that others wrote
  // are read only by workers that carry rows.
  template <typename Rows, typename F>
  void for_each_part(const Lane<S>& lane, std::span<const Rows> all, F&& f) const {
    const std::int64_t heads = c_.num_key_value_heads;
    if (lane.by_rows) {
      for (const Rows& s : all) {
        const Range rows{std::max(lane.rows.begin, s.rows().begin),
                         std::min(lane.rows.end, s.rows().end)};
        if (rows.size() > 0) f(s, rows, Range{0, heads});
      }
    } else {
      const Range pairs = lane.worker.share(static_cast<std::int64_t>(all.size()) * heads);
      for (std::int64_t i = pairs.begin; i < pairs.end;) {
        const Rows& s = all[static_cast<std::size_t>(i / heads)];
        const std::int64_t first = i % heads, count = std::min(heads - first, pairs.end - i);
        f(s, s.rows(), Range{first, first + count});
        i += count;
      }
    }
  }

  // to = norm and rotation of query or key head `h` of a row.
  void prepare_head(const Lane<S>& lane, std::int64_t row, const Norm<S>& norm, std::int64_t h,
                    std::span<const S> from, std::span<S> to) const {
    const bool normed = !norm.empty() && !norms_all_heads();
    if (normed && !c_.norm_after_rotation) {
      norm.forward(from, to, h);
      from = to;
    }
    rotate(from, lane.angles.row(row - lane.rows.begin, c_.first_angle, 2 * c_.rotary_pairs), to);
    if (normed && c_.norm_after_rotation) norm.forward(to, to, h);
  }

  // What queries are scaled by at a position.
  S growth(std::int64_t position) const {
    const std::int64_t periods = position / c_.query_growth_period;
    return static_cast<S>(1 + c_.query_growth * std::log(1 + static_cast<double>(periods)));
  }

  void write_keys(const Lane<S>& lane, const SequenceTokens<S>& s, Range rows, Range heads) const {
    const TensorView<S> qkv = lane.pass.activations.qkv;
    const std::int64_t first_key = c_.num_attention_heads;
    const std::int64_t first_value = first_key + c_.num_key_value_heads;
    const std::span<S> key = lane.queries.row(0);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      for (std::int64_t h = heads.begin; h < heads.end; ++h) {
        prepare_head(lane, row, layers_.key_norm, h, head(qkv, row, first_key + h), key);
        s.cache->write(s.position(row), c_.cache_layer, h, key, head(qkv, row, first_value + h));
      }
    }
  }

  // Attention of rows of one sequence to some key/value heads. All query heads of a group go
  // together, so that keys and values are read once.
  void attend(const Lane<S>& lane, const Keys& keys, Range rows, Range heads) const {
    const std::int64_t tokens = std::max<std::int64_t>(1, c_.max_rows / group_size());
    for (std::int64_t h = heads.begin; h < heads.end; ++h) {
      point_at_pages(lane, keys, h);
      if (!layers_.position_scores.empty()) layers_.position_scores.read_keys(lane, h, keys.length);
      for (std::int64_t row = rows.begin; row < rows.end && !lane.pass.is_given_up();
           row += tokens) {
        const Range part{row, std::min(rows.end, row + tokens)};
        gather_queries(lane, keys, part, h);
        if (!layers_.position_scores.empty()) {
          const std::int64_t first = keys.self->position(part.begin);
          layers_.position_scores.add(lane, h, {first, first + part.size()}, keys.length,
                                      static_cast<S>(c_.scale) * std::numbers::log2e_v<S>);
        }
        ops::attend(attend_args(lane, keys, part.size() * group_size()));
        scatter_outputs(lane, part, h);
      }
    }
  }

  detail::AttendArgs<S> attend_args(const Lane<S>& lane, const Keys& keys,
                                    std::int64_t query_rows) const {
    detail::AttendArgs<S> args;
    args.q = lane.queries.data();
    args.out = lane.attended.data();
    args.ldq = args.ldo = args.head_dim = c_.head_dim;
    args.rows = query_rows;
    args.q_scale = static_cast<S>(c_.scale) * std::numbers::log2e_v<S>;
    args.softcap = static_cast<S>(c_.softcap * std::numbers::log2e);
    args.k_pages = lane.k_pages.data();
    args.v_pages = lane.v_pages.data();
    args.is_bf16 = keys.cache.is_bf16();
    args.lo = lane.lo.data();
    args.hi = lane.hi.data();
    if (has_bias(lane, keys) || !layers_.position_scores.empty()) args.bias = lane.bias.data();
    args.scratch = lane.scratch.data();
    return args;
  }

  static bool has_bias(const Lane<S>& lane, const Keys& keys) {
    return keys.self != nullptr && !lane.pass.bias.empty();
  }

  void point_at_pages(const Lane<S>& lane, const Keys& keys, std::int64_t head) const {
    for (std::int64_t t = 0; t * kv_page_positions < keys.length; ++t) {
      const auto page = static_cast<std::size_t>(t);
      lane.k_pages[page] = keys.cache.keys(t, c_.cache_layer, head);
      lane.v_pages[page] = keys.cache.values(t, c_.cache_layer, head);
    }
  }

  // Packs the queries of some rows and the group of `kv_head`, with the keys each may see.
  void gather_queries(const Lane<S>& lane, const Keys& keys, Range rows,
                      std::int64_t kv_head) const {
    std::int64_t to = 0;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      for (std::int64_t g = 0; g < group_size(); ++g, ++to) {
        const std::int64_t h = kv_head * group_size() + g;
        const auto i = static_cast<std::size_t>(to);
        prepare_head(lane, row, layers_.query_norm, h, head(lane.pass.activations.qkv, row, h),
                     lane.queries.row(to));
        if (c_.query_growth != 0 && keys.self != nullptr) {
          ops::scale(lane.queries.row(to), growth(keys.self->position(row)));
        }
        const Range seen = seen_keys(keys, row);
        lane.lo[i] = static_cast<std::int32_t>(seen.begin);
        lane.hi[i] = static_cast<std::int32_t>(seen.end);
        if (has_bias(lane, keys)) {
          const BiasLines<S>& bias = lane.pass.bias[static_cast<std::size_t>(c_.bias_layer)];
          lane.bias[i] = bias.line(h) - keys.self->position(row);
        }
      }
    }
  }

  Range seen_keys(const Keys& keys, std::int64_t row) const {
    if (keys.self == nullptr) return {0, keys.length};
    const std::int64_t position = keys.self->position(row);
    return {c_.window > 0 ? std::max<std::int64_t>(0, position - c_.window + 1) : 0,
            c_.causal       ? position + 1
            : c_.window > 0 ? std::min(keys.length, position + c_.window)
                            : keys.length};
  }

  void scatter_outputs(const Lane<S>& lane, Range rows, std::int64_t kv_head) const {
    const std::int64_t width = group_size() * c_.head_dim;
    const TensorView<const S> from(lane.attended.data(), rows.size(), width);
    for (std::int64_t r = 0; r < rows.size(); ++r) {
      const std::span<S> to =
          lane.pass.activations.attention_out.row(rows.begin + r, kv_head * width, width);
      std::ranges::copy(from.row(r), to.begin());
    }
  }

  AttentionConfig c_;
  Layers layers_;
};

}  // namespace llm
