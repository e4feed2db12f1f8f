/// \file
/// Scores between contents and relative positions (DeBERTa, arXiv:2006.03654, 3.1), which attention
/// adds to those between contents.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "llm/nn/pass.hpp"
#include "llm/weights/weight.hpp"

namespace llm {

/// What DisentangledAttention adds in one layer. The numbers of query and key/value heads are
/// equal.
template <typename S>
class PositionScores {
 public:
  /// The projected vectors of distances: [2 * span, head_dim] for each head, or nothing.
  struct Tables {
    std::vector<Weight> keys;     ///< that queries are multiplied with
    std::vector<Weight> queries;  ///< that keys are multiplied with
  };

  PositionScores() = default;
  /// `tables` must have the sizes of the stack.
  explicit PositionScores(Tables tables) : tables_(std::move(tables)) {}

  /// Whether nothing is added.
  bool empty() const { return tables_.keys.empty() && tables_.queries.empty(); }

  /// Multiplies the first `length` keys of a head, in the lane's k_pages, with the queries of all
  /// distances between them; add() needs the result.
  void read_keys(const Lane<S>& lane, std::int64_t head, std::int64_t length) const {
    if (tables_.queries.empty()) return;
    const TensorView<S> keys = lane.key_rows.rows({0, length});
    for (std::int64_t k = 0; k < length; ++k) {  // a column of its page
      const auto page = static_cast<std::size_t>(k / kv_page_positions);
      const S* const column = static_cast<const S*>(lane.k_pages[page]) + k % kv_page_positions;
      S* const to = keys.row(k).data();
      for (std::int64_t d = 0; d < keys.cols(); ++d) to[d] = column[d * kv_page_positions];
    }
    multiply(lane, keys, tables_.queries[static_cast<std::size_t>(head)], length,
             lane.position_queries.rows({0, length}));
  }

  /// Points the lane's bias at the scores, times `factor`, of the queries of a head at some
  /// positions, the first of the lane's queries, with all `length` keys.
  void add(const Lane<S>& lane, std::int64_t head, Range positions, std::int64_t length,
           S factor) const {
    const Range rows{0, positions.size()};
    if (!tables_.keys.empty()) {
      multiply(lane, lane.queries.rows(rows), tables_.keys[static_cast<std::size_t>(head)], length,
               lane.position_keys.rows(rows));
    }
    for (std::int64_t r = 0; r < rows.size(); ++r) {
      const std::span<S> scores = lane.position_scores.row(r);
      std::ranges::fill(scores, S{0});
      const std::int32_t* const vector = lane.pass.position_rows + positions.begin + r;
      if (!tables_.keys.empty()) {
        const S* const from = lane.position_keys.row(r).data();
        for (std::int64_t k = 0; k < length; ++k) scores[at(k)] = factor * from[vector[-k]];
      }
      if (!tables_.queries.empty()) {
        const TensorView<S> from = lane.position_queries;
        for (std::int64_t k = 0; k < length; ++k) {
          scores[at(k)] += factor * from.data()[k * from.stride() + vector[-k]];
        }
      }
      lane.bias[at(r)] = scores.data();
    }
  }

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

  // y = x table^T, for the distances within `length` positions alone.
  static void multiply(const Lane<S>& lane, TensorView<const S> x, const Weight& table,
                       std::int64_t length, TensorView<S> y) {
    const std::int32_t* const vector = lane.pass.position_rows;
    const std::int64_t last = vector[length - 1] / detail::panel_rows;
    matmul<S>(x, table, {vector[1 - length] / detail::panel_rows, last + 1}, {}, y, lane.scratch);
  }

  Tables tables_;
};

}  // namespace llm
