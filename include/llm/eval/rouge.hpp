/// \file
/// ROUGE (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004): how much of a text
/// is in its reference, by words, pairs of words, or longest common subsequences.
/// Reference: the Python package rouge-score.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llm {

enum class RougeType : std::uint8_t {
  rouge1,      ///< words
  rouge2,      ///< two words in a row
  rouge_l,     ///< longest common subsequence of the whole text
  rouge_lsum,  ///< the same for texts whose lines are sentences
};

struct RougeScore {
  double precision = 0.0, recall = 0.0, fmeasure = 0.0;
};

/// The words that count: a-z and 0-9 of the text in lower case; with `use_stemmer` those of more
/// than three letters without their endings (Porter's algorithm, with the extensions of NLTK).
std::vector<std::string> rouge_words(std::string_view text, bool use_stemmer = false);

class RougeScorer {
 public:
  /// Bytes of a prediction times bytes of a reference: time and memory grow with it, at the limit
  /// to some seconds and 100 MB.
  static constexpr std::uint64_t max_bytes = std::uint64_t{1} << 34;

  explicit RougeScorer(std::vector<RougeType> types, bool use_stemmer = false)
      : types_(std::move(types)), use_stemmer_(use_stemmer) {}

  /// One score for each type; of several references the one with the best F-measure. Throws Error
  /// (invalid_input) when there is no reference, or when two texts exceed max_bytes.
  std::vector<RougeScore> score(std::string_view prediction,
                                std::span<const std::string> references) const;

 private:
  std::vector<RougeType> types_;
  bool use_stemmer_;
};

}  // namespace llm
