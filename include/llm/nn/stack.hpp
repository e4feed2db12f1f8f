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

/// Token, position and token type embeddings, and the norm after them.
template <typename S>
struct Embeddings {
  Embedding<S> tokens;     ///< [vocab, embedding]
  Embedding<S> positions;  ///< [positions, embedding]: learned, or sinusoids that the file stores
  Embedding<S> types;      ///< [token types, embedding]; empty without token types
  Norm<S> norm;            ///< may be empty
  Linear<S> projection;    ///< [hidden, embedding], after the norm; may be empty
};

/// Embeddings, blocks and final norm. Immutable once loaded; used by any number of threads.
template <typename S, template <typename> typename Block>
class Stack {
 public:
  /// What the stack is made of.
  struct Layers {
    Embeddings<S> embeddings;      ///< of tokens, types and positions
    std::vector<Block<S>> blocks;  ///< in the order in which they run
    Norm<S> final_norm;            ///< may be empty
    PositionBias<S> bias;          ///< of AlibiPositions and RelativeBias
    Linear<S> convolution;         ///< [hidden, hidden * conv_kernel_size]; may be empty
    Norm<S> convolution_norm;      ///< after its outputs are added
  };

  Stack() = default;
  /// `layers` must have the sizes that `config` gives.
  Stack(StackConfig config, Layers layers) : c_(std::move(config)), layers_(std::move(layers)) {}

  /// Sizes and options of the stack.
  const StackConfig& config() const { return c_; }
  /// What the stack is made of.
  const Layers& layers() const { return layers_; }

  /// Runs all blocks over the sequences' tokens in one parallel region, then calls finish(lane) on
  /// every worker, which may read lane.x: the lane's rows after the last block. Takes its memory
  /// from the workspace.
  template <typename F>
  void forward(std::span<const SequenceTokens<S>> sequences, ThreadPool& pool, Workspace& workspace,
               Taps<S>* taps, F&& finish) const {
    const std::int64_t rows = sequences.empty() ? 0 : sequences.back().rows().end;
    const std::vector<SourceRows<S>> sources = rows_by_source(sequences);
    Pass<S> pass{sequences, sources, rows, {c_, rows, workspace}, {}, taps};
    if (taps) start_taps(pass);
    const auto bias = layers_.bias.lines(bias_reach(sequences));
    if (bias) pass.bias = *bias;
    if (c_.disentangled) pass.position_rows = position_rows(pass, workspace);
    std::optional<PassEnd> end;
    if (workspace.interrupt() != nullptr && rows >= long_pass_rows) {
      pass.end = &end.emplace(*workspace.interrupt(), layers_.blocks.size());
    }
    std::vector<LaneActivations<S>> memory;  // of each worker
    for (int i = 0; i < pool.size(); ++i) memory.push_back(take_lane(pass, workspace));
    pool.run([&](const Worker& worker) {
      const Lane<S> lane =
          make_lane(memory[static_cast<std::size_t>(worker.index())], worker, pass);
      embed(lane);
      if (has_convolution()) convolve(lane);
      tap(lane, 0);
      for (std::size_t l = 0; l < layers_.blocks.size(); ++l) {
        if (end && end->is_before(l)) return;
        layers_.blocks[l].forward(lane, c_);
        if (l == 0 && has_convolution()) add_convolved(lane);
        if (l + 1 < layers_.blocks.size()) tap(lane, l + 1);
      }
      if (taps) tap_last(lane);
      finish(lane);
    });
    if (end && end->is_given_up())
      throw Error(ErrorCode::interrupted, "the pass over the text was interrupted");
  }

  /// to = the final norm of a row (a copy when the stack has none).
  void finish_row(std::span<const S> x, std::span<S> to) const {
    if (layers_.final_norm.empty()) {
      std::ranges::copy(x, to.begin());
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

  // Sized for all rows, as any split may come.
  LaneActivations<S> take_lane(const Pass<S>& pass, Workspace& workspace) const {
    const std::int64_t widest =
        std::max({c_.hidden_size, c_.intermediate_size, c_.query_size(), c_.embedding_width(),
                  c_.hidden_size * c_.conv_kernel_size});
    const std::int64_t calls = attend_rows(c_), pages = pages_of_longest(pass);
    LaneActivations<S> lane;
    lane.x = workspace.take<S>(pass.rows, c_.hidden_size);
    lane.normed = workspace.take<S>(pass.rows, c_.hidden_size);
    lane.embedded = workspace.take<S>(pass.rows, projected() ? 2 * c_.embedding_width() : 0);
    lane.angles = workspace.take<S>(
        pass.rows, 2 * (rotary_pairs() + std::ssize(c_.window_rotary.inverse_frequencies)));
    lane.scratch =
        workspace.take<S>(std::max(matmul_scratch<S>(widest), ops::attend_scratch<S>(c_.head_dim)));
    lane.queries = workspace.take<S>(calls, c_.head_dim);
    lane.attended = workspace.take<S>(calls, c_.head_dim);
    lane.lo = workspace.take<std::int32_t>(calls);
    lane.hi = workspace.take<std::int32_t>(calls);
    lane.bias = workspace.take<const S*>(calls);
    if (c_.disentangled) take_position_scores(lane, pages, workspace);
    lane.patches = workspace.take<S>(pass.rows, c_.hidden_size * c_.conv_kernel_size);
    lane.convolved = workspace.take<S>(pass.rows, has_convolution() ? c_.hidden_size : 0);
    lane.k_pages = workspace.take<const void*>(pages);
    lane.v_pages = workspace.take<const void*>(pages);
    return lane;
  }

  void take_position_scores(LaneActivations<S>& lane, std::int64_t pages,
                            Workspace& workspace) const {
    const std::int64_t positions = pages * kv_page_positions, vectors = 2 * c_.disentangled->span();
    lane.key_rows = workspace.take<S>(positions, c_.head_dim);
    lane.position_keys = workspace.take<S>(attend_rows(c_), vectors);
    lane.position_queries = workspace.take<S>(positions, vectors);
    lane.position_scores = workspace.take<S>(attend_rows(c_), positions);
  }

  // Rows of the vectors of distances within the longest sequence; points at distance 0.
  const std::int32_t* position_rows(const Pass<S>& pass, Workspace& workspace) const {
    const DisentangledAttention& d = *c_.disentangled;
    const std::int64_t reach = pages_of_longest(pass) * kv_page_positions;
    const std::span<std::int32_t> rows = workspace.take<std::int32_t>(2 * reach);
    for (std::int64_t distance = -reach; distance < reach; ++distance) {
      const std::int64_t bucket =
          d.position_buckets > 0
              ? log_position_bucket(distance, d.position_buckets, d.max_relative_positions)
              : distance;
      rows[static_cast<std::size_t>(distance + reach)] = static_cast<std::int32_t>(
          std::clamp<std::int64_t>(bucket + d.span(), 0, 2 * d.span() - 1));
    }
    return rows.data() + reach;
  }

  bool has_convolution() const { return !layers_.convolution.empty(); }

  // Activated outputs of the convolution over the embeddings. A row's neighbours may be other
  // workers': they are embedded again.
  void convolve(const Lane<S>& lane) const {
    for (const SequenceTokens<S>& s : lane.pass.sequences) {
      const Range rows{std::max(lane.rows.begin, s.rows().begin),
                       std::min(lane.rows.end, s.rows().end)};
      for (std::int64_t row = rows.begin; row < rows.end; ++row) gather_patch(lane, s, row);
    }
    layers_.convolution.forward(lane.patches, lane.convolved, lane.scratch);
    for (std::int64_t r = 0; r < lane.convolved.rows(); ++r) {
      ops::activate(c_.conv_act, lane.convolved.row(r));
    }
  }

  // The embeddings around a row, number by number; zeros beyond the ends of the text.
  void gather_patch(const Lane<S>& lane, const SequenceTokens<S>& s, std::int64_t row) const {
    const std::int64_t width = c_.conv_kernel_size, own = row - lane.rows.begin;
    const std::span<S> patch = lane.patches.row(own), other = lane.convolved.row(own);
    for (std::int64_t j = 0; j < width; ++j) {
      const std::int64_t near = row + j - width / 2;
      std::ranges::fill(other, S{0});
      if (lane.rows.begin <= near && near < lane.rows.end && s.rows().begin <= near &&
          near < s.rows().end) {
        std::ranges::copy(lane.residual(near), other.begin());
      } else if (s.rows().begin <= near && near < s.rows().end) {
        embed_token(s, near - s.first_row, lane.normed.row(own), other);
      }
      for (std::size_t i = 0; i < other.size(); ++i) {
        patch[i * static_cast<std::size_t>(width) + static_cast<std::size_t>(j)] = other[i];
      }
    }
  }

  void add_convolved(const Lane<S>& lane) const {
    ops::add(lane.x, lane.convolved, lane.x);
    layers_.convolution_norm.forward(lane.x, lane.x);
  }

  // Pages of keys of the longest sequence or source.
  static std::int64_t pages_of_longest(const Pass<S>& pass) {
    std::int64_t length = 0;
    for (const SequenceTokens<S>& s : pass.sequences) {
      length = std::max({length, s.length(), s.cross ? s.cross->length() : 0});
    }
    return (length + kv_page_positions - 1) / kv_page_positions;
  }

  Lane<S> make_lane(const LaneActivations<S>& memory, const Worker& worker,
                    const Pass<S>& pass) const {
    const bool by_rows =
        worker.count() == 1 || pass.rows >= rows_per_worker_to_split * worker.count();
    Range rows{0, pass.rows};
    if (by_rows && worker.count() > 1) {
      rows = balanced_rows(pass.sequences, pass.rows, c_, product_macs(), worker.index(),
                           worker.count());
    }
    return Lane<S>(memory, worker, pass, rows, by_rows);
  }

  bool projected() const { return !layers_.embeddings.projection.empty(); }

  std::int64_t rotary_pairs() const {
    const auto* rotary = std::get_if<RotaryPositions>(&c_.positions);
    return rotary ? static_cast<std::int64_t>(rotary->inverse_frequencies.size()) : 0;
  }

  // How far the lines of position biases are read: to the end of the last page of keys.
  static std::int64_t bias_reach(std::span<const SequenceTokens<S>> sequences) {
    std::int64_t length = 0;
    for (const SequenceTokens<S>& s : sequences) length = std::max(length, s.length());
    return length + kv_page_positions;
  }

  // Embeddings of the lane's rows into lane.x, and the rotary angles of their positions.
  void embed(const Lane<S>& lane) const {
    const auto* rotary = std::get_if<RotaryPositions>(&c_.positions);
    for (const SequenceTokens<S>& s : lane.pass.sequences) {
      const std::int64_t begin = std::max(lane.rows.begin, s.rows().begin);
      const std::int64_t end = std::min(lane.rows.end, s.rows().end);
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t own = row - lane.rows.begin;
        if (projected()) {
          const std::int64_t width = c_.embedding_width();
          embed_token(s, row - s.first_row, lane.embedded.row(own, width, width),
                      lane.embedded.row(own, 0, width));
        } else {
          embed_token(s, row - s.first_row, lane.normed.row(own), lane.x.row(own));
        }
        if (!rotary) continue;
        const std::int64_t first = 2 * rotary_pairs();
        const std::span<S> angles = lane.angles.row(own);
        rotary_angles(*rotary, s.position(row), angles.first(static_cast<std::size_t>(first)));
        rotary_angles(c_.window_rotary, s.position(row),
                      angles.subspan(static_cast<std::size_t>(first)));
      }
    }
    if (!projected()) return;
    layers_.embeddings.projection.forward(lane.embedded.cols({0, c_.embedding_width()}), lane.x,
                                          lane.scratch);
  }

  // x = norm(scale * token + type + position), as far as the stack has these; `other` is room for
  // one of them.
  void embed_token(const SequenceTokens<S>& s, std::int64_t token, std::span<S> other,
                   std::span<S> x) const {
    const Embeddings<S>& e = layers_.embeddings;
    const auto i = static_cast<std::size_t>(token);
    const auto add = [&] {
      for (std::size_t d = 0; d < x.size(); ++d) x[d] += other[d];
    };
    e.tokens.read(s.ids[i], x);
    if (c_.embedding_scale != 1.0) ops::scale(x, static_cast<S>(c_.embedding_scale));
    if (!e.types.empty()) {
      e.types.read(s.type_ids.empty() ? 0 : s.type_ids[i], other);
      add();
    }
    const auto norm = [&] {
      if (!e.norm.empty()) e.norm.forward(x, x);
    };
    if (c_.positions_after_norm) norm();
    if (const auto* learned = std::get_if<LearnedPositions>(&c_.positions)) {
      e.positions.read(counted_position(*learned, s, token) + learned->offset, other);
      add();
    } else if (const auto* sinusoidal = std::get_if<SinusoidalPositions>(&c_.positions);
               sinusoidal && s.ids[i] != sinusoidal->uncounted) {
      read_sinusoids(*sinusoidal, counted_position(*sinusoidal, s, token), other);
      add();
    }
    if (!c_.positions_after_norm) norm();
  }

  static void rotary_angles(const RotaryPositions& rotary, std::int64_t position,
                            std::span<S> angles) {
    llm::rotary_angles(rotary.inverse_frequencies, rotary.attention_factor, position, angles);
  }

  // Some files store the table.
  void read_sinusoids(const SinusoidalPositions& sinusoidal, std::int64_t position,
                      std::span<S> to) const {
    const std::int64_t row = position + sinusoidal.offset;
    if (row == sinusoidal.zero_row) {
      std::ranges::fill(to, S{0});
    } else if (!layers_.embeddings.positions.empty()) {
      layers_.embeddings.positions.read(row, to);
    } else if (sinusoidal.reaches_last_frequency) {
      tensor2tensor_vector(row, to);
    } else {
      sinusoidal_vector(row, to);
    }
  }

  // Position of a token; tokens that are not counted are at -1.
  template <typename P>
  static std::int64_t counted_position(const P& positions, const SequenceTokens<S>& s,
                                       std::int64_t token) {
    if (!positions.uncounted) return s.first_position + token;
    if (s.ids[static_cast<std::size_t>(token)] == *positions.uncounted) return -1;
    return token - std::count(s.ids.begin(), s.ids.begin() + token, *positions.uncounted);
  }

  void start_taps(const Pass<S>& pass) const {
    pass.taps->hidden_states.clear();
    for (std::size_t l = 0; l <= layers_.blocks.size(); ++l) {
      pass.taps->hidden_states.emplace_back(pass.rows, c_.hidden_size);
    }
  }

  static bool is_tapped(const Lane<S>& lane) {
    return lane.pass.taps && (lane.by_rows || lane.worker.index() == 0);
  }

  void tap(const Lane<S>& lane, std::size_t index) const {
    if (!is_tapped(lane)) return;
    const TensorView<S> to = lane.own(lane.pass.taps->hidden_states[index].view());
    for (std::int64_t r = 0; r < to.rows(); ++r)
      std::ranges::copy(lane.x.row(r), to.row(r).begin());
  }

  void tap_last(const Lane<S>& lane) const {
    if (!is_tapped(lane)) return;
    const TensorView<S> to = lane.own(lane.pass.taps->hidden_states.back().view());
    for (std::int64_t r = 0; r < to.rows(); ++r) finish_row(lane.x.row(r), to.row(r));
  }

  StackConfig c_;
  Layers layers_;
};

}  // namespace llm
