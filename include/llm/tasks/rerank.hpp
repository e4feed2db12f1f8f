/// \file
/// Documents in the order in which they answer a query, by a cross-encoder: a classifier of pairs
/// with one label.
///   query and documents -> Reranker -> documents with scores, the best first
/// Reference: sentence-transformers, CrossEncoder.rank().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/classify.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// A document of a list, and how well it fits the query.
struct RankedDocument {
  std::size_t index = 0;   ///< its place in the list
  double score = 0.0;      ///< by a ScoreFunction: higher is better
  bool truncated = false;  ///< whether the pair was cut to what the model takes
};

/// How to rank.
struct RerankOptions {
  /// Logit to score; default: what the configuration names (`sentence_transformers.activation_fn`),
  /// else sigmoid.
  std::optional<ScoreFunction> function = {};
  std::int64_t top_k = 0;                             ///< documents of the result; 0: all
  Truncation truncation = Truncation::longest_first;  ///< of pairs that are too long
  std::int64_t batch_tokens = default_batch_tokens;   ///< tokens computed together
  InputOptions input = {};                            ///< what bounds the work on a pair
};

/// Immutable; refers to model and tokenizer.
template <typename S>
class Reranker {
 public:
  /// Throws Error: unsupported for a model without a classifier's head of one label,
  /// invalid_option.
  Reranker(const Model<S>& model, const Tokenizer& tokenizer, RerankOptions options = {});

  /// The documents, the best first; equal ones in the order of the list. Throws Error:
  /// invalid_input when a text has no tokens, context_overflow, bad_format when a score is no
  /// number.
  std::vector<RankedDocument> rank(const std::string& query,
                                   std::span<const std::string> documents) const;

 private:
  const Model<S>& model_;
  TextEncoder encoder_;
  RerankOptions options_;
  ScoreFunction function_;
};

extern template class Reranker<float>;
extern template class Reranker<double>;

}  // namespace llm
