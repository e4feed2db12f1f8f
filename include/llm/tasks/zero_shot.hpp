/// \file
/// Labels that no classifier was trained for: a model of natural language inference is asked
/// whether "This example is LABEL." follows from the text.
///   text and labels -> pairs -> ZeroShotClassifier -> labels with scores
/// Reference: transformers, pipelines/zero_shot_classification.py.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// How to choose labels.
struct ZeroShotOptions {
  /// What stands for a label: "{}" (or "{0}") is the label, "{{" and "}}" are braces.
  std::string hypothesis_template = "This example is {}.";
  /// Each label is true or false by itself: entailment against contradiction. Else the scores of
  /// all labels sum to 1.
  bool multi_label = false;
  /// As the reference does by default, long texts are cut and hypotheses stay whole.
  Truncation truncation = Truncation::only_first;
  std::int64_t batch_tokens = default_batch_tokens;  ///< tokens computed together
  InputOptions input = {};                           ///< what bounds the work on a text
};

/// A text with its labels, ready to be computed: one pair of texts for each label.
struct ZeroShotText {
  std::vector<std::string> labels;  ///< as given
  std::vector<TextTokens> pairs;    ///< one for each label
  /// Whether tokens of the text were cut.
  bool truncated() const;
};

/// The labels, the best first.
struct ZeroShotResult {
  std::vector<std::string> labels;  ///< the best first
  std::vector<double> scores;       ///< of these labels, 0 to 1
};

/// Immutable; refers to model and tokenizer.
template <typename S>
class ZeroShotClassifier {
 public:
  /// Throws Error: unsupported for a model without a classifier's head or without a label that
  /// begins with "entail"; invalid_option for a template without "{}".
  ZeroShotClassifier(const Model<S>& model, const Tokenizer& tokenizer,
                     ZeroShotOptions options = {});

  /// Throws Error: invalid_input when a label is empty or stands there twice, when there is none or
  /// the text has no tokens; context_overflow.
  ZeroShotText encode(std::string_view text, std::span<const std::string> labels) const;
  /// All pairs of all texts in flat batches.
  std::vector<ZeroShotResult> classify(std::span<const ZeroShotText> texts) const;

 private:
  ZeroShotResult result(const ZeroShotText& text,
                        std::span<const std::vector<double>> logits) const;

  const Model<S>& model_;
  TextEncoder encoder_;
  ZeroShotOptions options_;
  std::size_t entailment_ = 0;
};

extern template class ZeroShotClassifier<float>;
extern template class ZeroShotClassifier<double>;

}  // namespace llm
