/// \file
/// Texts, or pairs of texts, to the labels of a classifier.
///   TaskText -> TextClassifier -> labels with scores
/// Reference: transformers, pipelines/text_classification.py.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// How the scores of labels are made of logits.
enum class ScoreFunction : std::uint8_t {
  softmax,  ///< the labels exclude each other: scores sum to 1
  sigmoid,  ///< each label is true or false by itself
  none,     ///< the logits themselves (regression)
};

/// As the configuration's problem_type says, else by the number of labels.
ScoreFunction score_function(const TransformerConfig& config, std::int64_t labels);

/// "softmax", "sigmoid" or "none"; Error (invalid_option) for other names.
ScoreFunction score_function_from_name(std::string_view name);

/// Scores of one row of logits.
std::vector<double> scores_of(ScoreFunction function, std::vector<double> logits);

/// A label and how well it fits.
struct LabelScore {
  std::string label;   ///< as the model names it
  double score = 0.0;  ///< by a ScoreFunction
};

/// How to classify.
struct ClassifyOptions {
  std::optional<ScoreFunction> function = {};        ///< default: score_function()
  std::int64_t top_k = 0;                            ///< labels of the result; 0: all
  Truncation truncation = Truncation::none;          ///< of texts that are too long
  std::int64_t batch_tokens = default_batch_tokens;  ///< tokens computed together
  InputOptions input = {};                           ///< what bounds the work on a text
};

/// Immutable; refers to model and tokenizer.
template <typename S>
class TextClassifier {
 public:
  /// Throws Error: unsupported for a model without a classifier's head, invalid_option.
  TextClassifier(const Model<S>& model, const Tokenizer& tokenizer, ClassifyOptions options = {});

  /// What is wrong with a text is found here. Throws Error: invalid_input, context_overflow.
  TextTokens encode(const TaskText& text) const {
    return encoder_.encode(text, options_.truncation);
  }
  /// The labels of each text, the best first; equal ones in the order of their numbers.
  std::vector<std::vector<LabelScore>> classify(std::span<const TextTokens> texts) const;

 private:
  const Model<S>& model_;
  TextEncoder encoder_;
  ClassifyOptions options_;
};

extern template class TextClassifier<float>;
extern template class TextClassifier<double>;

}  // namespace llm
