/// \file
/// BLEU (Papineni et al., 2002) of a corpus: counts of rows, which add up, and the score of a sum.
/// Reference: the Python package sacrebleu with its defaults: tokenizer 13a, case kept, up to four
/// words in a row, smoothing "exp".
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// What the score of a corpus is made of; [n - 1] is about n words in a row.
struct BleuCounts {
  std::uint64_t prediction_words = 0;
  std::uint64_t reference_words = 0;  ///< of the reference nearest in length
  std::array<std::uint64_t, 4> matches = {};
  std::array<std::uint64_t, 4> totals = {};

  /// Adds those of `times` rows.
  void add(const BleuCounts& row, std::uint64_t times = 1);
};

struct BleuScore {
  double score = 0.0;                     ///< 0 to 100
  std::array<double, 4> precisions = {};  ///< in percent, smoothed
  double brevity_penalty = 0.0;
};

/// The words of a text as the tokenizer 13a separates them.
std::vector<std::string> bleu_words(std::string_view text);

/// Throws Error (invalid_input) when there is no reference.
BleuCounts bleu_counts(std::string_view prediction, std::span<const std::string> references);

BleuScore bleu_score(const BleuCounts& counts);

}  // namespace llm
