/// \file
/// Scores of many predictions, taken row by row, with confidence intervals:
/// generated texts, labels, answers -> Evaluation -> EvalReport.
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
  accuracy,     ///< share of predictions that equal the reference
  exact_match,  ///< the same after normalize_answer()
  f1,           ///< of labels: the macro average; micro and weighted are parts
  squad_f1,     ///< of the words of answers
  rouge1,       ///< RougeType::rouge1
  rouge2,       ///< RougeType::rouge2
  rouge_l,      ///< RougeType::rouge_l
  rouge_lsum,   ///< RougeType::rouge_lsum
  bleu,         ///< of the corpus, see bleu_score()
};

/// The name that users give, such as "accuracy"; ROUGE's are those of rouge-score ("rougeLsum").
std::string_view to_string(Metric metric);
/// The metrics of these names, each once; "rouge" is all four. Throws Error (invalid_option), which
/// suggests the nearest name.
std::vector<Metric> metrics_from_names(std::span<const std::string> names);

/// What to measure, and how.
struct EvalOptions {
  std::vector<Metric> metrics;           ///< in the order of the report
  bool use_stemmer = false;              ///< ROUGE compares words without their endings
  std::vector<std::string> labels = {};  ///< F1 is the average over these; empty: over all
  double confidence = 0.95;              ///< of the intervals, between 0 and 1
  std::int64_t resamples = 1000;         ///< of the bootstrap; 0: no intervals
  std::uint64_t seed = 0;                ///< of the resamples
  /// Asked before every resample; once it is true, report() gives no intervals.
  std::function<bool()> interrupted = {};

  /// Throws Error (invalid_option).
  void validate() const;
};

/// A confidence interval.
struct Interval {
  double low = 0.0;   ///< its lower end
  double high = 0.0;  ///< its upper end
};

/// A score over all rows.
struct Estimate {
  double value = std::numeric_limits<double>::quiet_NaN();  ///< NaN where it is not defined
  std::optional<Interval> interval = std::nullopt;          ///< with EvalOptions::resamples
};

/// The score of one metric.
struct MetricReport {
  Metric metric = Metric::accuracy;  ///< which
  Estimate estimate;                 ///< its score
  /// By name: precision and recall of ROUGE, micro and weighted average of F1.
  std::vector<std::pair<std::string, Estimate>> parts = {};
};

/// All scores.
struct EvalReport {
  std::uint64_t rows = 0;                                ///< that count
  std::vector<MetricReport> metrics;                     ///< as EvalOptions::metrics
  std::optional<ConfusionMatrix> confusion = {};         ///< of accuracy and f1
  std::optional<BleuScore> bleu = {};                    ///< of bleu
  std::optional<BleuCounts> bleu_counts = std::nullopt;  ///< of bleu
  bool too_many_labels = false;  ///< these seem to be no labels: no F1, no confusion matrix
};

/// Takes rows one by one and keeps numbers, not texts: for each row 8 bytes for accuracy,
/// exact_match, squad_f1 and f1 (accuracy: 8 more for the confusion matrix, which f1 shares), 24
/// for each ROUGE, 40 for BLEU. Not thread-safe.
///
/// The intervals come from the bootstrap: every resample draws as many rows as there are, with
/// replacement, and the interval is the middle `confidence` of the scores of all resamples
/// (percentiles as numpy interpolates them). A label that a resample does not have still counts:
/// its F1 is 0. Which rows are drawn depends only on the seed and on the number of rows.
class Evaluation {
 public:
  /// Most distinct labels, in references and predictions together.
  static constexpr std::size_t max_labels = 1000;

  /// Throws Error (invalid_option).
  explicit Evaluation(EvalOptions options);

  /// Adds a row and returns its own value of each metric that has one (all but f1 and bleu; of
  /// ROUGE the F-measure). A prediction may have several references; `f1` takes the one that was
  /// predicted, or else the first. Throws Error (invalid_input) when there is no reference, or when
  /// two texts are too long for ROUGE; the row then does not count.
  std::vector<std::pair<Metric, double>> add(std::string_view prediction,
                                             std::span<const std::string> references);

  std::uint64_t rows() const { return rows_; }             ///< that count
  const EvalOptions& options() const { return options_; }  ///< as given
  /// The scores of the rows so far. Takes time in proportion to rows times resamples.
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
