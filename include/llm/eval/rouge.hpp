/// \file
/// ROUGE (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004): how much a text and
/// its reference have in common, in words, pairs of words, or longest common subsequences.
/// Reference: the Python package rouge-score.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llm {

/// What is compared.
enum class RougeType : std::uint8_t {
  rouge1,      ///< words
  rouge2,      ///< two words in a row
  rouge_l,     ///< longest common subsequence of the whole text
  rouge_lsum,  ///< the same for texts whose lines are sentences
};

/// A score, 0 to 1.
struct RougeScore {
  double precision = 0.0;  ///< common / of the prediction
  double recall = 0.0;     ///< common / of the reference
  double fmeasure = 0.0;   ///< harmonic mean of the two
};

/// The words that count: of a-z and 0-9, in lower case. With `use_stemmer`, words of more than
/// three letters lose their endings (Porter's algorithm with NLTK's extensions).
std::vector<std::string> rouge_words(std::string_view text, bool use_stemmer = false);

/// Scores texts. Immutable: any number of threads may use one.
class RougeScorer {
 public:
  /// Limit on the bytes of a prediction times the bytes of a reference. Time and memory grow with
  /// this product, up to some seconds and 100 MB.
  static constexpr std::uint64_t max_bytes = std::uint64_t{1} << 34;

  /// `types`: what score() returns, in this order; `use_stemmer` as in rouge_words().
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
