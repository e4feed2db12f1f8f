/// \file
/// A stack of blocks with its embeddings and final norm, and the one parallel region of a forward
/// pass. Encoder and Decoder are its two uses.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/nn/blocks.hpp"
#include "llm/nn/pass.hpp"
#include "llm/nn/position_bias.hpp"

namespace llm {

/// Token, position and segment embeddings, and the norm after them.
template <typename S>
struct Embeddings {
  Embedding<S> tokens;
  Embedding<S> positions;  ///< learned positions, or sinusoids that the file stores
  Embedding<S> types;      ///< segment embeddings (BERT) only
  Norm<S> norm;            ///< may be empty
};

namespace detail {

/// Slots of the workspace that a pass uses; each worker has `lane_slots` of them from `lanes` on.
enum PassSlot : std::size_t {
  slot_hidden,
  slot_logits,
  slot_last,
  slot_heads,
  slot_mixed,
  slot_wide,
  slot_gate,
  slot_narrow,
  slot_lanes
};
enum LaneSlot : std::size_t {
  lane_x,
  lane_normed,
  lane_angles,
  lane_scratch,
  lane_queries,
  lane_outputs,
  lane_lo,
  lane_hi,
  lane_bias,
  lane_pages,
  lane_slots
};

}  // namespace detail

template <typename S, template <typename> typename Block>
class Stack {
 public:
  struct Layers {
    Embeddings<S> embeddings;
    std::vector<Block<S>> blocks;
    Norm<S> final_norm;    ///< may be empty
    PositionBias<S> bias;  ///< of AlibiPositions and RelativeBias
  };

  Stack() = default;
  Stack(StackConfig config, Layers layers) : c_(std::move(config)), layers_(std::move(layers)) {}

  const StackConfig& config() const { return c_; }
  const Layers& layers() const { return layers_; }

  /// Runs all blocks over the segments' tokens in one parallel region, then calls
  /// finish(lane) on every worker, which may read lane.x: the lane's rows after the last block.
  template <typename F>
  void forward(std::span<const Segment<S>> segments, ThreadPool& pool, Workspace& workspace,
               Taps<S>* taps, F&& finish) const {
    Pass<S> pass = prepare(segments, workspace);
    pass.taps = taps;
    if (taps) start_taps(pass);
    const std::vector<SourceRows<S>> sources = rows_by_source(segments);
    pass.sources = sources;
    const auto bias = layers_.bias.lines(bias_reach(segments));
    if (bias) pass.bias = *bias;
    for (int i = 0; i < pool.size(); ++i) lane_buffers(pass, workspace, i);
    std::optional<PassEnd> end;
    if (workspace.interrupt() != nullptr && pass.rows >= long_pass_rows) {
      pass.end = &end.emplace(*workspace.interrupt(), layers_.blocks.size());
    }
    pool.run([&](const Worker& worker) {
      const Lane<S> lane = make_lane(worker, pass, workspace);
      embed(lane);
      tap(lane, 0);
      for (std::size_t l = 0; l < layers_.blocks.size(); ++l) {
        if (end && end->is_before(l)) return;
        layers_.blocks[l].forward(lane, c_);
        if (l + 1 < layers_.blocks.size()) tap(lane, l + 1);
      }
      if (taps) tap_last(lane);
      finish(lane);
    });
    if (end && end->is_given_up())
      throw Error(ErrorCode::interrupted, "the pass over the text was interrupted");
  }

  /// to[hidden] = the final norm of a row (a copy when the stack has none).
  void finish_row(const S* x, S* to) const {
    if (layers_.final_norm.empty()) {
      std::copy_n(x, c_.hidden_size, to);
    } else {
      layers_.final_norm.forward(x, to);
    }
  }

  /// Multiplications per row and layer in the matrix products: the measure of work.
  std::int64_t product_macs() const {
    const std::int64_t attention = 2 * c_.query_size() + 2 * c_.key_value_size();
    const std::int64_t inner = (c_.gated ? 3 : 2) * c_.intermediate_size;
    return c_.hidden_size * (attention + inner);
  }

 private:
  static constexpr std::int64_t long_pass_rows = 64;  // shorter ones take no time

  Pass<S> prepare(std::span<const Segment<S>> segments, Workspace& workspace) const {
    Pass<S> pass;
    pass.segments = segments;
    for (const Segment<S>& s : segments) pass.rows += s.count();
    pass.heads_size = c_.query_size() + 2 * c_.key_value_size();
    const std::int64_t rows = pass.rows;
    pass.heads = workspace.get<S>(detail::slot_heads, rows * pass.heads_size);
    pass.mixed = workspace.get<S>(detail::slot_mixed, rows * c_.query_size());
    pass.wide = workspace.get<S>(detail::slot_wide, rows * c_.intermediate_size);
    pass.gate =
        c_.gated ? workspace.get<S>(detail::slot_gate, rows * c_.intermediate_size) : pass.wide;
    pass.narrow = workspace.get<S>(detail::slot_narrow, rows * c_.hidden_size);
    return pass;
  }

  // Makes sure that worker `index` finds its buffers; sized for all rows, as any split may come.
  void lane_buffers(const Pass<S>& pass, Workspace& workspace, int index) const {
    const auto slot = [&](detail::LaneSlot s) {
      return detail::slot_lanes + static_cast<std::size_t>(index) * detail::lane_slots + s;
    };
    const std::int64_t widest = std::max({c_.hidden_size, c_.intermediate_size, c_.query_size()});
    std::int64_t pages = 0;
    for (const Segment<S>& s : pass.segments) {
      const std::int64_t source = s.cross ? s.cross->length() : 0;
      const std::int64_t length = std::max(s.first_position + s.count(), source);
      pages = std::max(pages, (length + kv_page_positions - 1) / kv_page_positions);
    }
    const std::int64_t calls = attend_rows(c_);
    workspace.get<S>(slot(detail::lane_x), pass.rows * c_.hidden_size);
    workspace.get<S>(slot(detail::lane_normed), pass.rows * c_.hidden_size);
    workspace.get<S>(slot(detail::lane_angles), pass.rows * 2 * rotary_pairs() + 1);
    workspace.get<S>(slot(detail::lane_scratch),
                     std::max(matmul_scratch<S>(widest), ops::attend_scratch<S>(c_.head_dim)));
    workspace.get<S>(slot(detail::lane_queries), calls * c_.head_dim);
    workspace.get<S>(slot(detail::lane_outputs), calls * c_.head_dim);
    workspace.get<std::int32_t>(slot(detail::lane_lo), calls);
    workspace.get<std::int32_t>(slot(detail::lane_hi), calls);
    workspace.get<const S*>(slot(detail::lane_bias), calls);
    workspace.get<const void*>(slot(detail::lane_pages), 2 * pages);
  }

  Lane<S> make_lane(const Worker& worker, const Pass<S>& pass, Workspace& workspace) const {
    const std::size_t first =
        detail::slot_lanes + static_cast<std::size_t>(worker.index()) * detail::lane_slots;
    Lane<S> lane{worker, pass, {0, pass.rows}};
    lane.by_rows = worker.count() == 1 || pass.rows >= rows_per_worker_to_split * worker.count();
    if (lane.by_rows && worker.count() > 1) {
      lane.rows = balanced_rows(pass.segments, pass.rows, c_, product_macs(), worker.index(),
                                worker.count());
    }
    lane.x = workspace.peek<S>(first + detail::lane_x);
    lane.normed = workspace.peek<S>(first + detail::lane_normed);
    lane.angles = workspace.peek<S>(first + detail::lane_angles);
    lane.scratch = workspace.peek<S>(first + detail::lane_scratch);
    lane.queries = workspace.peek<S>(first + detail::lane_queries);
    lane.outputs = workspace.peek<S>(first + detail::lane_outputs);
    lane.lo = workspace.peek<std::int32_t>(first + detail::lane_lo);
    lane.hi = workspace.peek<std::int32_t>(first + detail::lane_hi);
    lane.bias = workspace.peek<const S*>(first + detail::lane_bias);
    lane.pages = workspace.peek<const void*>(first + detail::lane_pages);
    return lane;
  }

  std::int64_t rotary_pairs() const {
    const auto* rotary = std::get_if<RotaryPositions>(&c_.positions);
    return rotary ? static_cast<std::int64_t>(rotary->inverse_frequencies.size()) : 0;
  }

  // How far the lines of position biases are read: pages of keys are read to their end.
  static std::int64_t bias_reach(std::span<const Segment<S>> segments) {
    std::int64_t length = 0;
    for (const Segment<S>& s : segments) length = std::max(length, s.first_position + s.count());
    return length + kv_page_positions;
  }

  // Embeddings of the lane's rows into lane.x, and the rotary angles of their positions.
  void embed(const Lane<S>& lane) const {
    for (const Segment<S>& s : lane.pass.segments) {
      const std::int64_t begin = std::max(lane.rows.begin, s.first_row);
      const std::int64_t end = std::min(lane.rows.end, s.first_row + s.count());
      for (std::int64_t row = begin; row < end; ++row) {
        embed_row(lane, s, row - s.first_row, lane.x + (row - lane.rows.begin) * c_.hidden_size);
        if (const auto* rotary = std::get_if<RotaryPositions>(&c_.positions)) {
          rotary_angles(rotary->inverse_frequencies, rotary->attention_factor,
                        s.first_position + row - s.first_row,
                        lane.angles + (row - lane.rows.begin) * 2 * rotary_pairs());
        }
      }
    }
  }

  void embed_row(const Lane<S>& lane, const Segment<S>& s, std::int64_t token, S* x) const {
    const Embeddings<S>& e = layers_.embeddings;
    S* other = lane.normed;  // free until the first block
    const auto add = [&] {
      for (std::int64_t i = 0; i < c_.hidden_size; ++i) x[i] += other[i];
    };
    e.tokens.read(s.ids[static_cast<std::size_t>(token)], x);
    if (c_.embedding_scale != 1.0) {
      const S scale = static_cast<S>(c_.embedding_scale);
      for (std::int64_t i = 0; i < c_.hidden_size; ++i) x[i] *= scale;
    }
    if (!e.types.empty()) {
      e.types.read(s.type_ids.empty() ? 0 : s.type_ids[static_cast<std::size_t>(token)], other);
      add();
    }
    const std::int64_t position = s.first_position + token;
    if (const auto* learned = std::get_if<LearnedPositions>(&c_.positions)) {
      e.positions.read(counted_position(*learned, s, token) + learned->offset, other);
      add();
    } else if (const auto* sinusoidal = std::get_if<SinusoidalPositions>(&c_.positions)) {
      if (e.positions.empty()) {
        sinusoidal_vector(position + sinusoidal->offset, c_.hidden_size, other);
      } else {  // the file stores the table
        e.positions.read(position + sinusoidal->offset, other);
      }
      add();
    }
    if (!e.norm.empty()) e.norm.forward(x, x);
  }

  // Position of a token of a segment when some tokens are not counted.
  static std::int64_t counted_position(const LearnedPositions& learned, const Segment<S>& s,
                                       std::int64_t token) {
    if (!learned.uncounted) return s.first_position + token;
    if (s.ids[static_cast<std::size_t>(token)] == *learned.uncounted) return -1;
    return token - std::count(s.ids.begin(), s.ids.begin() + token, *learned.uncounted);
  }

  void start_taps(const Pass<S>& pass) const {
    pass.taps->hidden_states.clear();
    for (std::size_t l = 0; l <= layers_.blocks.size(); ++l) {
      pass.taps->hidden_states.emplace_back(Shape{pass.rows, c_.hidden_size});
    }
  }

  void tap(const Lane<S>& lane, std::size_t index) const {
    if (!lane.pass.taps || (!lane.by_rows && lane.worker.index() != 0)) return;
    std::copy_n(lane.x, lane.rows.size() * c_.hidden_size,
                lane.pass.taps->hidden_states[index].data() + lane.rows.begin * c_.hidden_size);
  }

  void tap_last(const Lane<S>& lane) const {
    if (!lane.by_rows && lane.worker.index() != 0) return;
    Tensor<S>& last = lane.pass.taps->hidden_states.back();
    for (std::int64_t r = 0; r < lane.rows.size(); ++r) {
      finish_row(lane.x + r * c_.hidden_size, last.row(lane.rows.begin + r));
    }
  }

  StackConfig c_;
  Layers layers_;
};

}  // namespace llm
