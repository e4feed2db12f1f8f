// Logits of a classifier to labels with scores.
#include "llm/tasks/classify.hpp"

#include <algorithm>
#include <cmath>

#include "core/float_environment.hpp"
#include "tasks/require_head.hpp"
#include "tasks/softmax.hpp"

namespace llm {

ScoreFunction score_function(const TransformerConfig& config, std::int64_t labels) {
  if (config.problem_type == "regression") return ScoreFunction::none;
  const bool each = config.problem_type == "multi_label_classification" || labels == 1;
  return each ? ScoreFunction::sigmoid : ScoreFunction::softmax;
}

ScoreFunction score_function_from_name(std::string_view name) {
  if (name == "softmax") return ScoreFunction::softmax;
  if (name == "sigmoid") return ScoreFunction::sigmoid;
  if (name == "none") return ScoreFunction::none;
  throw Error(ErrorCode::invalid_option, "the score function " + quote(name) +
                                             " is not known; expected softmax, sigmoid or none");
}

std::vector<double> scores_of(ScoreFunction function, std::vector<double> logits) {
  if (function == ScoreFunction::sigmoid) {
    for (double& value : logits) value = 1.0 / (1.0 + std::exp(-value));
  }
  if (function == ScoreFunction::softmax && !logits.empty()) {
    detail::softmax(logits);
  }
  check_finite(std::span<const double>(logits), "logits");
  return logits;
}

template <typename S>
TextClassifier<S>::TextClassifier(const Model<S>& model, const Tokenizer& tokenizer,
                                  ClassifyOptions options)
    : model_(model), encoder_(tokenizer, model.config(), options.input), options_(options) {
  detail::require_head(model.config(), HeadKind::sequence_classification, "classify");
  if (options_.top_k < 0) {
    throw Error(ErrorCode::invalid_option,
                "top-k is " + std::to_string(options_.top_k) + ", expected 1 or more, or 0 for all",
                "top-k");
  }
}

template <typename S>
std::vector<std::vector<LabelScore>> TextClassifier<S>::classify(
    std::span<const TextTokens> texts) const {
  const detail::FloatEnvironment environment;
  std::vector<std::vector<LabelScore>> results(texts.size());
  const TransformerConfig& config = model_.config();
  run_head(
      model_, texts, options_.batch_tokens,
      [&](std::size_t i, TensorView<const S> logits) {
        const std::span<const S> row = logits.row(0);
        const auto count = static_cast<std::int64_t>(row.size());
        const std::vector<double> scores =
            scores_of(options_.function.value_or(score_function(config, count)),
                      std::vector<double>(row.begin(), row.end()));
        for (std::int64_t k = 0; k < count; ++k) {
          results[i].push_back({label_name(config, k), scores[static_cast<std::size_t>(k)]});
        }
        std::stable_sort(results[i].begin(), results[i].end(),
                         [](const auto& a, const auto& b) { return a.score > b.score; });
        if (options_.top_k > 0 && options_.top_k < count) {
          results[i].resize(static_cast<std::size_t>(options_.top_k));
        }
      },
      options_.input.interrupt);
  return results;
}

template class TextClassifier<float>;
template class TextClassifier<double>;

}  // namespace llm
