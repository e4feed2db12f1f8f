/// \file
/// One forward pass over a flat list of tokens, and one worker's part of it.
///
/// All workers run the same code. Few rows (decoding) are split by outputs: every worker keeps a
/// copy of the residual stream of all rows and computes its share of each product's outputs; the
/// workers meet before an output is read. Many rows (prompts, encoders) are split by rows: a worker
/// takes its rows through the whole layer and meets the others once, when all keys and values are
/// written. The bits are the same either way, because a row's value never depends on its
/// neighbours.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "llm/core/thread_pool.hpp"
#include "llm/core/types.hpp"
#include "llm/nn/inputs.hpp"
#include "llm/nn/kv_cache.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/tensor/positions.hpp"
#include "llm/tensor/tensor.hpp"
#include "llm/tensor/workspace.hpp"
#include "llm/weights/weight.hpp"

namespace llm {

/// New tokens of one sequence: consecutive rows of the pass at consecutive positions.
template <typename S>
struct SequenceTokens {
  std::span<const TokenId> ids;            ///< the new tokens
  std::span<const std::int32_t> type_ids;  ///< token types (BERT); empty: all 0
  std::int64_t first_row = 0;              ///< row of the first new token in the pass
  std::int64_t first_position = 0;         ///< its position in the sequence
  KVCache<S>* cache = nullptr;             ///< has room for the new tokens
  const KVCache<S>* cross = nullptr;       ///< keys and values of the source, for cross-attention

  /// Number of new tokens.
  std::int64_t count() const { return static_cast<std::int64_t>(ids.size()); }
  /// Their rows in the pass.
  Range rows() const { return {first_row, first_row + count()}; }
  /// The position in the sequence of one of these rows.
  std::int64_t position(std::int64_t row) const { return first_position + row - first_row; }
  /// Positions the sequence has after the pass.
  std::int64_t length() const { return first_position + count(); }
};

/// Neighbouring rows of a pass that attend to one source: those of its beams and samples.
template <typename S>
struct SourceRows {
  Range own;                          ///< what rows() returns
  const KVCache<S>* cross = nullptr;  ///< keys and values of the source

  /// The rows in the pass.
  Range rows() const { return own; }
};

/// The sources that the sequences attend to; neighbouring sequences with the same source are
/// merged. Empty without cross-attention.
template <typename S>
std::vector<SourceRows<S>> rows_by_source(std::span<const SequenceTokens<S>> sequences) {
  std::vector<SourceRows<S>> sources;
  for (const SequenceTokens<S>& s : sequences) {
    if (s.cross == nullptr) continue;
    if (sources.empty() || sources.back().cross != s.cross) sources.push_back({s.rows(), s.cross});
    sources.back().own.end = s.rows().end;
  }
  return sources;
}

/// What the layers of a pass compute, for all its rows; every layer uses the same memory again.
template <typename S>
struct Activations {
  /// Takes room for `rows` rows from the workspace.
  Activations(const StackConfig& c, std::int64_t rows, Workspace& workspace)
      : qkv(workspace.take<S>(rows, c.query_size() + 2 * c.key_value_size())),
        attention_out(workspace.take<S>(rows, c.query_size())),
        ffn_up(workspace.take<S>(rows, c.intermediate_size)),
        ffn_gate(workspace.take<S>(rows, c.gated ? c.intermediate_size : 0)),
        sublayer_out(workspace.take<S>(rows, c.hidden_size)) {}

  TensorView<S> qkv;            ///< [rows, query size + 2 * key/value size]: all heads side by side
  TensorView<S> attention_out;  ///< [rows, query size]: before the output projection
  TensorView<S> ffn_up;         ///< [rows, intermediate]
  TensorView<S> ffn_gate;       ///< the same; [rows, 0] when feed-forward is not gated
  TensorView<S> sublayer_out;   ///< [rows, hidden]: what is added to the residual stream
};

/// One worker's private activations, large enough for all rows of the pass.
template <typename S>
struct LaneActivations {
  TensorView<S> x;              ///< [rows, hidden]: the residual stream
  TensorView<S> normed;         ///< [rows, hidden]: norm of x, which a sublayer reads
  TensorView<S> embedded;       ///< [rows, 2 * embedding]: embeddings to be projected, and scratch
  TensorView<S> angles;         ///< [rows, 2 * rotary pairs]: see rotary_angles()
  std::span<S> scratch;         ///< of one product or one attention call
  TensorView<S> queries;        ///< [attend_rows(), head_dim]: of one attention call
  TensorView<S> attended;       ///< [attend_rows(), head_dim]: its outputs
  std::span<std::int32_t> lo;   ///< first key that each of its query rows attends to
  std::span<std::int32_t> hi;   ///< one past the last such key
  std::span<const S*> bias;     ///< its query rows' position biases
  TensorView<S> key_rows;       ///< [keys, head_dim]: of one head, DisentangledAttention only
  TensorView<S> position_keys;  ///< [attend_rows(), 2 * span]: scores of queries with them
  TensorView<S> position_queries;  ///< [keys, 2 * span]: scores of keys with them
  TensorView<S> position_scores;   ///< [attend_rows(), positions of all pages]: their sums
  TensorView<S> patches;           ///< [rows, width * hidden]: what the convolution reads
  TensorView<S> convolved;         ///< [rows, hidden]: what it gives
  std::span<const void*> k_pages;  ///< keys of one head of a sequence
  std::span<const void*> v_pages;  ///< values of that head
};

/// The early end of a pass that is interrupted. Workers wait for each other within every layer, so
/// all must stop before the same layer: the first to come to a layer decides for all.
class PassEnd {
 public:
  /// `interrupt` must outlive this; `layers` is the number of layers of the stack.
  PassEnd(const std::atomic<bool>& interrupt, std::size_t layers)
      : interrupt_(interrupt), decisions_(layers) {}

  /// Whether a worker has found the flag set, now or earlier.
  bool is_given_up() {
    if (interrupt_.load(std::memory_order_relaxed)) given_up_.store(true);
    return given_up_.load(std::memory_order_relaxed);
  }
  /// Whether the pass ends before this layer. All workers get the same answer.
  bool is_before(std::size_t layer) {
    char expected = open;
    const char mine = is_given_up() ? ended : going_on;
    return (decisions_[layer].compare_exchange_strong(expected, mine) ? mine : expected) == ended;
  }

 private:
  static constexpr char open = 0, going_on = 1, ended = 2;
  const std::atomic<bool>& interrupt_;
  std::atomic<bool> given_up_{false};
  std::vector<std::atomic<char>> decisions_;
};

/// What all workers of a pass share. Between two barriers they write disjoint parts of the
/// activations.
template <typename S>
struct Pass {
  std::span<const SequenceTokens<S>> sequences;  ///< in the order of their rows
  std::span<const SourceRows<S>> sources;  ///< see rows_by_source(); empty without cross-attention
  std::int64_t rows = 0;                   ///< tokens of all sequences
  Activations<S> activations;              ///< of all rows
  std::span<const BiasLines<S>> bias;      ///< position biases of self-attention; empty: none
  Taps<S>* taps = nullptr;                 ///< filled when not null
  PassEnd* end = nullptr;                  ///< of a long pass that can be interrupted; else null
  /// Where the vector of a distance query - key lies; DisentangledAttention only, else null.
  const std::int32_t* position_rows = nullptr;

  /// Whether a worker may skip work, because the pass ends with an Error.
  bool is_given_up() const { return end != nullptr && end->is_given_up(); }
};

/// One worker's part of a pass; `x`, `normed` and `angles` are those of `rows`.
template <typename S>
struct Lane : LaneActivations<S> {
  const Worker& worker;  ///< the thread that computes it
  const Pass<S>& pass;   ///< the pass it is a part of
  Range rows;            ///< the rows whose residual stream this worker carries
  bool by_rows = true;   ///< split by rows, not by outputs

  /// `memory` must have room for `own_rows`.
  Lane(const LaneActivations<S>& memory, const Worker& of_worker, const Pass<S>& of_pass,
       Range own_rows, bool is_by_rows)
      : LaneActivations<S>(memory),
        worker(of_worker),
        pass(of_pass),
        rows(own_rows),
        by_rows(is_by_rows) {
    for (TensorView<S>* own : {&this->x, &this->normed, &this->embedded, &this->angles,
                               &this->patches, &this->convolved}) {
      *own = own->rows({0, rows.size()});
    }
  }

  /// This lane's rows of a matrix that all workers share.
  TensorView<S> own(TensorView<S> shared) const { return shared.rows(rows); }
  /// This worker's share of `n` output panels: all of them when the pass is split by rows.
  Range share(std::int64_t n) const { return by_rows ? Range{0, n} : worker.share(n); }
  /// The rows that this worker finishes after the last block.
  Range finished_rows() const { return by_rows ? rows : worker.share(pass.rows); }
  /// The residual stream of a row of the pass.
  std::span<const S> residual(std::int64_t row) const { return this->x.row(row - rows.begin); }
  /// Barrier: call before reading columns that another worker wrote.
  void meet() const {
    if (!by_rows) worker.sync();
  }
  /// Barrier: call before reading keys and values that another worker wrote.
  void meet_keys() const {
    if (by_rows) worker.sync();
  }
};

/// Scratch for products with `cols` inputs: row i of the result is for worker i.
template <typename S>
TensorView<S> take_scratch(std::int64_t cols, const ThreadPool& pool, Workspace& workspace) {
  constexpr std::int64_t line = 64 / sizeof(S);  // rows begin at cache lines
  const std::int64_t size = (matmul_scratch<S>(cols) + line - 1) / line * line;
  return workspace.take<S>(pool.size(), size);
}

/// Query rows (tokens times heads of a group) of one attention call: enough to reuse a page of keys
/// from the cache, few enough to stay there.
inline std::int64_t attend_rows(const StackConfig& c) {
  return std::max<std::int64_t>(96, c.num_attention_heads / c.num_key_value_heads);
}

/// Rows per worker from which on a pass is split by rows; with fewer, splitting by outputs was
/// faster when measured.
inline constexpr std::int64_t rows_per_worker_to_split = 8;

/// The rows of worker `index` of `count` such that all workers have about the same work: a row
/// costs the products of a layer (`product_macs` per row) and 2 * query_size per key it sees.
template <typename S>
Range balanced_rows(std::span<const SequenceTokens<S>> sequences, std::int64_t rows,
                    const StackConfig& c, std::int64_t product_macs, int index, int count) {
  const auto cost_of = [&](const SequenceTokens<S>& s, std::int64_t token) {
    const std::int64_t keys = s.first_position + (c.causal ? token + 1 : s.count());
    return static_cast<double>(product_macs) + 2.0 * static_cast<double>(c.query_size() * keys);
  };
  double total = 0;
  for (const SequenceTokens<S>& s : sequences) {
    for (std::int64_t t = 0; t < s.count(); ++t) total += cost_of(s, t);
  }
  const double first = total * index / count, last = total * (index + 1) / count;
  Range result{rows, rows};
  double before = 0;
  for (const SequenceTokens<S>& s : sequences) {
    for (std::int64_t t = 0; t < s.count(); ++t) {
      const std::int64_t row = s.first_row + t;
      if (before >= first) result.begin = std::min(result.begin, row);
      if (before >= last) result.end = std::min(result.end, row);
      before += cost_of(s, t);
    }
  }
  if (index == 0) result.begin = 0;
  if (index == count - 1) result.end = rows;
  return result;
}

}  // namespace llm
