/// \file
/// Scores of many predictions against their references, row by row, with confidence intervals.
/// Stands behind the line: generated texts, labels, answers -> Evaluation -> EvalReport.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/eval/bleu.hpp"
#include "llm/eval/classification.hpp"
#include "llm/eval/rouge.hpp"

namespace llm {

/// What is measured. White space at the ends never counts.
enum class Metric : std::uint8_t {
  accuracy,     ///< share of predictions that are the reference, letter by letter
  exact_match,  ///< the same after normalize_answer()
  f1,           ///< of labels, macro average; with those of micro and weighted average
  squad_f1,     ///< of the words of answers
  rouge1,
  rouge2,
  rouge_l,
  rouge_lsum,
  bleu,
};

/// "accuracy" and so on, as users name it; those of ROUGE as rouge-score does ("rougeLsum").
std::string_view to_string(Metric metric);
/// The reverse; "rouge" is all four. What is there twice is taken once. Throws Error
/// (invalid_option) that suggests the nearest name.
std::vector<Metric> metrics_from_names(std::span<const std::string> names);

struct EvalOptions {
  std::vector<Metric> metrics;
  bool use_stemmer = false;              ///< ROUGE compares words without their endings
  std::vector<std::string> labels = {};  ///< F1 averages over these only; empty: over all
  double confidence = 0.95;              ///< of the intervals
  std::int64_t resamples = 1000;         ///< of the bootstrap; 0: no intervals
  std::uint64_t seed = 0;
  /// Asked before every resample; once it is true, report() gives no intervals.
  std::function<bool()> interrupted = {};

  /// Throws Error (invalid_option).
  void validate() const;
};

struct Interval {
  double low = 0.0, high = 0.0;
};

/// Over all rows; NaN where it is not defined, as without rows.
struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();
  std::optional<Interval> interval = std::nullopt;
};

struct MetricReport {
  Metric metric = Metric::accuracy;
  Estimate estimate;
  /// Precision and recall of ROUGE, micro and weighted average of F1, by name.
  std::vector<std::pair<std::string, Estimate>> parts = {};
};

struct EvalReport {
  std::uint64_t rows = 0;
  std::vector<MetricReport> metrics;              ///< as EvalOptions::metrics
  std::optional<ConfusionMatrix> confusion = {};  ///< of accuracy and f1
  std::optional<BleuScore> bleu = {};             ///< of bleu
  std::optional<BleuCounts> bleu_counts = std::nullopt;
  bool too_many_labels = false;  ///< no labels, it seems: there is no F1 and no confusion matrix
};

/// Takes rows one by one. Of each it keeps numbers, not texts: 8 bytes for accuracy, exact_match,
/// squad_f1 and f1 (accuracy: another 8 for the confusion matrix, which f1 shares), 24 for each
/// ROUGE, 40 for BLEU.
///
/// The intervals are those of the bootstrap: every resample draws as many rows as there are, with
/// replacement, and the middle `confidence` of the scores of all resamples is the interval
/// (percentiles as numpy interpolates them). Labels that a resample has not drawn are still labels:
/// their F1 is 0. Which rows are drawn depends on the seed and on the number of rows alone.
class Evaluation {
 public:
  /// Distinct labels, of references and predictions, that are kept.
  static constexpr std::size_t max_labels = 1000;

  /// Throws Error (invalid_option).
  explicit Evaluation(EvalOptions options);

  /// Returns the row's own value of each metric that has one (all but f1 and bleu; the F-measure of
  /// ROUGE). A prediction may have several references; `f1` takes the one that was predicted, or
  /// else the first. Throws Error (invalid_input), and the row does not count, when there is none
  /// or two texts are too long for ROUGE.
  std::vector<std::pair<Metric, double>> add(std::string_view prediction,
                                             std::span<const std::string> references);

  std::uint64_t rows() const { return rows_; }
  const EvalOptions& options() const { return options_; }
  /// Can be asked at any time. The time it takes is in proportion to rows times resamples.
  EvalReport report() const;

 private:
  struct RowBleu {
    std::uint32_t prediction_words, reference_words;
    std::uint32_t matches[4], totals[4];
  };
  struct RowLabels {
    std::uint32_t reference, prediction;
  };
  // Means over rows: of one metric, or of a part of one.
  using Column = std::vector<double>;

  bool measures(Metric metric) const;
  bool is_right(std::string_view prediction, std::span<const std::string> references) const;
  void add_labels(std::string_view prediction, std::span<const std::string> references);
  std::uint32_t label_id(std::string_view label);
  void add_bleu(std::string_view prediction, std::span<const std::string> references);
  std::vector<double> values(std::span<const std::uint32_t> times) const;
  void append_f1(std::span<const std::uint32_t> times, std::vector<double>& values) const;
  BleuCounts sum_of_bleu(std::span<const std::uint32_t> times) const;
  std::vector<Interval> intervals() const;
  ConfusionMatrix confusion() const;

  EvalOptions options_;
  RougeScorer rouge_;
  std::uint64_t rows_ = 0;
  std::map<Metric, std::vector<Column>> columns_;
  bool keeps_labels_ = false, too_many_labels_ = false;
  std::map<std::string, std::uint32_t, std::less<>> label_ids_;
  std::vector<RowLabels> labels_;
  std::vector<RowBleu> bleu_;
};

}  // namespace llm
