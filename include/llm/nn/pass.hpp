/// \file
/// One forward pass over a flat list of tokens, and one worker's part of it.
///
/// All workers run the same code. Few rows (decoding) are split by outputs: every worker carries
/// all rows of the residual stream itself and computes its share of each product's outputs; the
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
#include "llm/nn/kv_cache.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/tensor/positions.hpp"
#include "llm/tensor/tensor.hpp"
#include "llm/tensor/workspace.hpp"

namespace llm {

/// New tokens of one sequence: consecutive rows of the pass at consecutive positions.
template <typename S>
struct Segment {
  std::span<const TokenId> ids;
  std::span<const std::int32_t> type_ids;  ///< segment ids (BERT); empty: all 0
  std::int64_t first_row = 0;
  std::int64_t first_position = 0;
  KVCache<S>* cache = nullptr;        ///< has room for the new tokens
  const KVCache<S>* cross = nullptr;  ///< keys and values of the source, for cross-attention

  std::int64_t count() const { return static_cast<std::int64_t>(ids.size()); }
};

/// Neighbouring rows of a pass that attend to one source: those of its beams and samples.
template <typename S>
struct SourceRows {
  std::int64_t first_row = 0, rows = 0;
  const KVCache<S>* cross = nullptr;

  std::int64_t count() const { return rows; }
};

/// Copies of the residual stream for `verify`: [rows, hidden] after the embeddings and after each
/// layer, the last one after the final norm.
template <typename S>
struct Taps {
  std::vector<Tensor<S>> hidden_states;
};

template <typename S>
std::vector<SourceRows<S>> rows_by_source(std::span<const Segment<S>> segments) {
  std::vector<SourceRows<S>> sources;
  for (const Segment<S>& s : segments) {
    if (s.cross == nullptr) continue;
    if (sources.empty() || sources.back().cross != s.cross) {
      sources.push_back({s.first_row, 0, s.cross});
    }
    sources.back().rows += s.count();
  }
  return sources;
}

/// The early end of a pass. Workers meet within every layer, so all must end before the same one:
/// whoever comes to it first decides for all.
class PassEnd {
 public:
  PassEnd(const std::atomic<bool>& interrupt, std::size_t layers)
      : interrupt_(interrupt), decisions_(layers) {}

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

/// What all workers of a pass share. Buffers are written in disjoint parts between meetings.
template <typename S>
struct Pass {
  std::span<const Segment<S>> segments;
  std::span<const SourceRows<S>> sources;  ///< of all segments; empty without cross-attention
  std::int64_t rows = 0;
  S* heads = nullptr;  ///< [rows, heads_size]: queries, keys, values
  std::int64_t heads_size = 0;
  S* mixed = nullptr;   ///< [rows, query size]: output of attention before its last product
  S* wide = nullptr;    ///< [rows, intermediate]: between the products of feed-forward
  S* gate = nullptr;    ///< [rows, intermediate], gated feed-forward only
  S* narrow = nullptr;  ///< [rows, hidden]: output of a sublayer
  std::span<const BiasLines<S>> bias;  ///< position biases of self-attention; empty: none
  Taps<S>* taps = nullptr;
  PassEnd* end = nullptr;  ///< of a long pass that may be interrupted

  /// Whether a worker may leave work undone: nobody will see the results.
  bool is_given_up() const { return end != nullptr && end->is_given_up(); }
};

/// One worker's part of a pass, with its private buffers.
template <typename S>
struct Lane {
  const Worker& worker;
  const Pass<S>& pass;
  Range rows;  ///< the rows whose residual stream this worker carries
  bool by_rows = true;

  S* x = nullptr;        ///< residual stream of `rows`: [rows, hidden]
  S* normed = nullptr;   ///< [rows, hidden]
  S* angles = nullptr;   ///< rotary angles of `rows`: [rows, 2 * rotary pairs]
  S* scratch = nullptr;  ///< of one product or one attention call
  // Packed rows of one attention call.
  S* queries = nullptr;  ///< [attend_rows, head_dim]
  S* outputs = nullptr;  ///< [attend_rows, head_dim]
  std::int32_t* lo = nullptr;
  std::int32_t* hi = nullptr;
  const S** bias = nullptr;
  const void** pages = nullptr;  ///< keys of all pages of a sequence, then values

  /// This worker's share of `n` output panels: all when it carries only its own rows.
  Range share(std::int64_t n) const { return by_rows ? Range{0, n} : worker.share(n); }
  /// Before a shared buffer is read across outputs that other workers wrote.
  void meet() const {
    if (!by_rows) worker.sync();
  }
  /// Before keys and values that other workers wrote are read.
  void meet_keys() const {
    if (by_rows) worker.sync();
  }
};

/// Query rows (tokens times heads of a group) of one attention call: enough to reuse a page of keys
/// from the cache, few enough to stay there.
inline std::int64_t attend_rows(const StackConfig& c) {
  return std::max<std::int64_t>(96, c.num_attention_heads / c.num_key_value_heads);
}

/// Rows per worker from which a pass is split by rows; below, splitting by outputs was faster.
inline constexpr std::int64_t rows_per_worker_to_split = 8;

/// The rows of worker `index` of `count` such that all workers have about the same work: a row
/// costs the products of a layer (`product_macs` per row) and 2 * query_size per key it sees.
template <typename S>
Range balanced_rows(std::span<const Segment<S>> segments, std::int64_t rows, const StackConfig& c,
                    std::int64_t product_macs, int index, int count) {
  const auto cost_of = [&](const Segment<S>& s, std::int64_t token) {
    const std::int64_t keys = s.first_position + (c.causal ? token + 1 : s.count());
    return static_cast<double>(product_macs) + 2.0 * static_cast<double>(c.query_size() * keys);
  };
  double total = 0;
  for (const Segment<S>& s : segments) {
    for (std::int64_t t = 0; t < s.count(); ++t) total += cost_of(s, t);
  }
  const double first = total * index / count, last = total * (index + 1) / count;
  Range result{rows, rows};
  double before = 0;
  for (const Segment<S>& s : segments) {
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
