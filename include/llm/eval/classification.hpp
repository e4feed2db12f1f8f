/// \file
/// Predicted labels against right ones: the confusion matrix, and precision, recall and F1 of each
/// label and on average.
/// Reference: scikit-learn, metrics/_classification.py (zero_division is 0).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace llm {

/// How often each label was right, and was said.
struct ConfusionMatrix {
  std::vector<std::string> labels;                 ///< sorted by their bytes
  std::vector<std::vector<std::uint64_t>> counts;  ///< [label of the reference][predicted label]
};

/// Rows of one label, however often it was confused with which other.
struct ClassCounts {
  std::uint64_t right = 0;       ///< references that were predicted so
  std::uint64_t references = 0;  ///< rows whose reference it is
  std::uint64_t predictions = 0;
};
std::vector<ClassCounts> class_counts(const ConfusionMatrix& matrix);

struct ClassScore {
  double precision = 0.0, recall = 0.0, f1 = 0.0;
};
ClassScore class_score(const ClassCounts& counts);

/// Averages over labels.
struct ClassAverages {
  ClassScore macro;     ///< every label counts the same
  ClassScore micro;     ///< of the sums of all labels
  ClassScore weighted;  ///< every label counts as often as it is a reference
};
ClassAverages class_averages(std::span<const ClassCounts> classes);

}  // namespace llm
