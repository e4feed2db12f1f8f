/// \file
/// Multi-head and grouped-query attention over pages of keys and values: self-attention (causal or
/// not) and cross-attention (arXiv:1706.03762, arXiv:2305.13245).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "llm/nn/layers.hpp"
#include "llm/nn/pass.hpp"

namespace llm {

/// What one attention layer needs to know of its stack.
struct AttentionConfig {
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  double scale = 1.0;
  std::int64_t window = 0;  ///< keys a query may look back at, itself included; 0: all
  bool causal = false;
  std::int64_t rotary_pairs = 0;
  std::int64_t cache_layer = 0;  ///< where in the cache this layer's keys and values lie
  std::int64_t bias_layer = 0;   ///< which of the pass's position biases are this layer's
  std::int64_t max_rows = 0;     ///< query rows per call, see attend_rows()
};

template <typename S>
class Attention {
 public:
  /// The projections. Self-attention: `in` gives queries, keys and values side by side. Cross-
  /// attention: `in` gives queries, `source` keys and values of the source.
  struct Layers {
    Linear<S> in, source, out;
    Norm<S> query_norm, key_norm;  ///< per head; may be empty
  };

  Attention() = default;
  Attention(AttentionConfig config, Layers layers) : c_(config), layers_(std::move(layers)) {}

  const Layers& layers() const { return layers_; }

  /// Self-attention of the lane's rows `x` [rows, hidden]; writes their keys and values to the
  /// caches of their segments. Returns the output rows [rows, hidden] in a shared buffer.
  const S* self(const Lane<S>& lane, const S* x) const {
    project_in(lane, x);
    const auto segments = lane.pass.segments;
    for_each_task(lane, segments, [&](const Segment<S>& segment, Range rows, Range heads) {
      write_keys(lane, segment, rows, heads);
    });
    lane.meet_keys();
    for_each_task(lane, segments, [&](const Segment<S>& segment, Range rows, Range heads) {
      const std::int64_t length = segment.first_position + segment.count();
      const std::int64_t shift = segment.first_position - segment.first_row;
      attend(lane, {*segment.cache, length, shift, true}, rows, heads);
    });
    return project_out(lane);
  }

  /// Attention of the lane's rows to the source of their segments (`Segment::cross`).
  const S* cross(const Lane<S>& lane, const S* x) const {
    project_in(lane, x);
    const std::span<const SourceRows<S>> sources = lane.pass.sources;
    for_each_task(lane, sources, [&](const SourceRows<S>& source, Range rows, Range heads) {
      attend(lane, {*source.cross, source.cross->length(), 0, false}, rows, heads);
    });
    return project_out(lane);
  }

  /// Keys and values of source rows `x` [rows, hidden] at positions [0, rows) of `cache`.
  /// `heads`: room for [rows, 2 * key_value_size].
  void write_source(const S* x, std::int64_t first_position, std::int64_t rows, S* heads,
                    S* scratch, KVCache<S>& cache) const {
    const std::int64_t kv_size = c_.num_key_value_heads * c_.head_dim;
    layers_.source.forward(x, layers_.source.inputs(), rows, {0, layers_.source.panels()}, heads,
                           2 * kv_size, scratch);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t h = 0; h < c_.num_key_value_heads; ++h) {
        const S* key = heads + r * 2 * kv_size + h * c_.head_dim;
        cache.write(first_position + r, c_.cache_layer, h, key, key + kv_size);
      }
    }
  }

 private:
  std::int64_t query_size() const { return c_.num_attention_heads * c_.head_dim; }

  void project_in(const Lane<S>& lane, const S* x) const {
    layers_.in.forward(x, layers_.in.inputs(), lane.rows.size(), lane.share(layers_.in.panels()),
                       lane.pass.heads + lane.rows.begin * lane.pass.heads_size,
                       lane.pass.heads_size, lane.scratch);
    lane.meet();
  }

  const S* project_out(const Lane<S>& lane) const {
    lane.meet();
    S* out = lane.pass.narrow + lane.rows.begin * layers_.out.outputs();
    layers_.out.forward(lane.pass.mixed + lane.rows.begin * query_size(), query_size(),
                        lane.rows.size(), lane.share(layers_.out.panels()), out,
                        layers_.out.outputs(), lane.scratch);
    lane.meet();
    return out;
  }

  // This worker's work, as rows and key/value heads of segments: its rows and all heads, or its
  // share of the (segment, head) pairs. A worker attends to keys that others wrote only by rows.
  template <typename Segment, typename F>
  void for_each_task(const Lane<S>& lane, std::span<const Segment> segments, F&& f) const {
    const std::int64_t heads = c_.num_key_value_heads;
    if (lane.by_rows) {
      for (const Segment& s : segments) {
        const Range rows{std::max(lane.rows.begin, s.first_row),
                         std::min(lane.rows.end, s.first_row + s.count())};
        if (rows.size() > 0) f(s, rows, Range{0, heads});
      }
    } else {
      const Range pairs = lane.worker.share(static_cast<std::int64_t>(segments.size()) * heads);
      for (std::int64_t i = pairs.begin; i < pairs.end;) {
        const Segment& s = segments[static_cast<std::size_t>(i / heads)];
        const std::int64_t first = i % heads, count = std::min(heads - first, pairs.end - i);
        f(s, Range{s.first_row, s.first_row + s.count()}, Range{first, first + count});
        i += count;
      }
    }
  }

  // to[head_dim] = norm and rotation of one query or key head of a row.
  void prepare_head(const Lane<S>& lane, std::int64_t row, const Norm<S>& norm, const S* from,
                    S* to) const {
    if (!norm.empty()) {
      norm.forward(from, to);
      from = to;
    }
    const S* angles = lane.angles + (row - lane.rows.begin) * 2 * c_.rotary_pairs;
    rotate(from, c_.head_dim, angles, c_.rotary_pairs, to);
  }

  void write_keys(const Lane<S>& lane, const Segment<S>& segment, Range rows, Range heads) const {
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const S* row_heads = lane.pass.heads + row * lane.pass.heads_size;
      for (std::int64_t h = heads.begin; h < heads.end; ++h) {
        const S* key = row_heads + query_size() + h * c_.head_dim;
        const S* value = key + c_.num_key_value_heads * c_.head_dim;
        prepare_head(lane, row, layers_.key_norm, key, lane.queries);
        const std::int64_t position = segment.first_position + row - segment.first_row;
        segment.cache->write(position, c_.cache_layer, h, lane.queries, value);
      }
    }
  }

  // What the rows of one segment attend to.
  struct Sight {
    const KVCache<S>& cache;
    std::int64_t length;  // keys there are
    std::int64_t shift;   // from the number of a row to its position
    bool self;            // else a source: all of it is seen
  };

  // Rows of one segment against some key/value heads; all query heads of a group together, so keys
  // and values are read once.
  void attend(const Lane<S>& lane, const Sight& sight, Range rows, Range heads) const {
    const std::int64_t group = c_.num_attention_heads / c_.num_key_value_heads;
    const std::int64_t tokens = std::max<std::int64_t>(1, c_.max_rows / group);
    ops::Attend<S> call = prepare_call(lane);
    call.is_bf16 = sight.cache.is_bf16();
    if (sight.self && !lane.pass.bias.empty()) call.bias = lane.bias;
    for (std::int64_t h = heads.begin; h < heads.end; ++h) {
      call.v_pages = lane.pages + point_at_pages(lane, sight, h);
      for (std::int64_t row = rows.begin; row < rows.end && !lane.pass.is_given_up();
           row += tokens) {
        const Range part{row, std::min(rows.end, row + tokens)};
        call.rows = part.size() * group;
        gather_queries(lane, sight, part, h);
        ops::attend(call);
        scatter_outputs(lane, part, h);
      }
    }
  }

  ops::Attend<S> prepare_call(const Lane<S>& lane) const {
    ops::Attend<S> call;
    call.q = lane.queries;
    call.ldq = call.ldo = call.head_dim = c_.head_dim;
    call.scale = static_cast<S>(c_.scale);
    call.k_pages = lane.pages;
    call.lo = lane.lo;
    call.hi = lane.hi;
    call.out = lane.outputs;
    call.scratch = lane.scratch;
    return call;
  }

  // Fills lane.pages with the pages of one head; returns their number.
  std::int64_t point_at_pages(const Lane<S>& lane, const Sight& sight, std::int64_t head) const {
    const std::int64_t pages = (sight.length + kv_page_positions - 1) / kv_page_positions;
    for (std::int64_t t = 0; t < pages; ++t) {
      lane.pages[t] = sight.cache.keys(t, c_.cache_layer, head);
      lane.pages[pages + t] = sight.cache.values(t, c_.cache_layer, head);
    }
    return pages;
  }

  // Packs the queries of some rows and the group of `head`, with the keys each may see.
  void gather_queries(const Lane<S>& lane, const Sight& sight, Range rows,
                      std::int64_t head) const {
    const std::int64_t group = c_.num_attention_heads / c_.num_key_value_heads;
    std::int64_t i = 0;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::int64_t position = row + sight.shift;
      for (std::int64_t g = 0; g < group; ++g, ++i) {
        const std::int64_t query_head = head * group + g;
        const S* from = lane.pass.heads + row * lane.pass.heads_size + query_head * c_.head_dim;
        prepare_head(lane, row, layers_.query_norm, from, lane.queries + i * c_.head_dim);
        const bool windowed = sight.self && c_.window > 0;
        lane.lo[i] =
            windowed
                ? static_cast<std::int32_t>(std::max<std::int64_t>(0, position - c_.window + 1))
                : 0;
        lane.hi[i] =
            static_cast<std::int32_t>(sight.self && c_.causal ? position + 1 : sight.length);
        if (sight.self && !lane.pass.bias.empty()) {
          const BiasLines<S>& bias = lane.pass.bias[static_cast<std::size_t>(c_.bias_layer)];
          lane.bias[i] = bias.line(query_head) - position;
        }
      }
    }
  }

  void scatter_outputs(const Lane<S>& lane, Range rows, std::int64_t head) const {
    const std::int64_t width = c_.num_attention_heads / c_.num_key_value_heads * c_.head_dim;
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      std::copy_n(lane.outputs + (row - rows.begin) * width, width,
                  lane.pass.mixed + row * query_size() + head * width);
    }
  }

  AttentionConfig c_;
  Layers layers_;
};

}  // namespace llm
