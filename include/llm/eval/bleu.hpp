/// \file
/// BLEU (Papineni et al., 2002) of a corpus: counts of rows, which are added up, and the score of
/// the sum. Reference: the Python package sacrebleu with its defaults: tokenizer 13a, case kept, up
/// to four words in a row, smoothing "exp".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// What a score is computed from. Element n - 1 of an array is about n words in a row.
struct BleuCounts {
  std::uint64_t prediction_words = 0;         ///< of the predictions
  std::uint64_t reference_words = 0;          ///< of the references nearest in length
  std::array<std::uint64_t, 4> matches = {};  ///< that are in a reference
  std::array<std::uint64_t, 4> totals = {};   ///< in the predictions

  /// Adds the counts of a row, `times` times.
  void add(const BleuCounts& row, std::uint64_t times = 1);
};

/// The score of a corpus.
struct BleuScore {
  double score = 0.0;                     ///< 0 to 100
  std::array<double, 4> precisions = {};  ///< in percent, smoothed
  double brevity_penalty = 0.0;           ///< 0 to 1; 1: predictions are long enough
};

/// The words of a text as the tokenizer 13a separates them.
std::vector<std::string> bleu_words(std::string_view text);

/// The counts of one row. Throws Error (invalid_input) when there is no reference.
BleuCounts bleu_counts(std::string_view prediction, std::span<const std::string> references);

/// The score of counts.
BleuScore bleu_score(const BleuCounts& counts);

}  // namespace llm
