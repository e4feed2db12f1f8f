/// \file
/// Predicted labels compared with the right ones: confusion matrix; precision, recall and F1 of
/// each label and on average. Reference: scikit-learn, metrics/_classification.py (zero_division is
/// 0).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace llm {

/// How often each label was right, and what was predicted then.
struct ConfusionMatrix {
  std::vector<std::string> labels;                 ///< sorted by their bytes
  std::vector<std::vector<std::uint64_t>> counts;  ///< [label of the reference][predicted label]
};

/// The counts of one label.
struct ClassCounts {
  std::uint64_t right = 0;        ///< rows with this reference and this prediction
  std::uint64_t references = 0;   ///< rows with this reference
  std::uint64_t predictions = 0;  ///< rows with this prediction
};
/// The counts of each label, in the matrix's order.
std::vector<ClassCounts> class_counts(const ConfusionMatrix& matrix);

/// How well one label is predicted, 0 to 1.
struct ClassScore {
  double precision = 0.0;  ///< right / predictions
  double recall = 0.0;     ///< right / references
  double f1 = 0.0;         ///< harmonic mean of the two
};
/// The scores of one label; 0 where a divisor is 0.
ClassScore class_score(const ClassCounts& counts);

/// Averages over labels.
struct ClassAverages {
  ClassScore macro;     ///< every label counts the same
  ClassScore micro;     ///< of the counts of all labels together
  ClassScore weighted;  ///< every label counts as often as it is the reference
};
/// The averages over these labels.
ClassAverages class_averages(std::span<const ClassCounts> classes);

}  // namespace llm
