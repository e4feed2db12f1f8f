// Natural language inference as a classifier of labels given with the text.
#include "llm/tasks/zero_shot.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "core/float_environment.hpp"
#include "llm/tasks/classify.hpp"
#include "tasks/require_head.hpp"
#include "tokenizer/text_input.hpp"

namespace llm {

namespace {

[[noreturn]] void refuse_template(const std::string& text, const std::string& what) {
  throw Error(ErrorCode::invalid_option,
              "the hypothesis template " + quote(text) + " " + what +
                  "; expected {} where the label goes, as in \"This example is {}.\"",
              "hypothesis-template");
}

// Python's str.format with one argument.
std::string fill_template(const std::string& text, std::string_view label) {
  std::string filled;
  bool has_label = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    if (rest.starts_with("{{") || rest.starts_with("}}")) {
      filled += text[i++];
    } else if ((rest.starts_with("{}") && !has_label) || rest.starts_with("{0}")) {
      filled += label;
      has_label = true;
      i += rest.starts_with("{}") ? 1 : 2;
    } else if (rest.front() == '{' || rest.front() == '}') {
      refuse_template(text, has_label ? "has a second brace that stands for nothing"
                                      : "has a brace that stands for nothing");
    } else {
      filled += text[i];
    }
  }
  if (!has_label) refuse_template(text, "has no place for the label");
  return filled;
}

void check_labels(std::span<const std::string> labels) {
  if (labels.empty()) {
    throw Error(ErrorCode::invalid_input, "there are no candidate labels; give at least one");
  }
  std::set<std::string_view> seen;
  for (const std::string& label : labels) {
    if (label.find_first_not_of(" \t\r\n") == std::string::npos) {
      throw Error(ErrorCode::invalid_input, "a candidate label is empty; give each a name");
    }
    if (!seen.insert(label).second) {
      throw Error(ErrorCode::invalid_input,
                  "the candidate label " + quote(label) + " is given twice; give each label once");
    }
  }
}

std::size_t find_entailment(const TransformerConfig& config) {
  if (const auto label = entailment_label(config)) {
    if (*label >= 0 && *label < config.num_labels) return static_cast<std::size_t>(*label);
    throw Error(ErrorCode::bad_format, "id2label gives the label of entailment the number " +
                                           std::to_string(*label) + ", but the model has " +
                                           std::to_string(config.num_labels) + " labels");
  }
  std::string names;
  for (const auto& [id, name] : config.id2label) names += (names.empty() ? "" : ", ") + quote(name);
  throw Error(
      ErrorCode::unsupported,
      "zero-shot needs a model of natural language inference, whose labels contain one that "
      "begins with \"entail\", but the labels of this model (" +
          config.model_type + ") are " + (names.empty() ? "not named" : names) +
          "; use a model trained on MNLI or XNLI, or classify for its own labels");
}

}  // namespace

bool ZeroShotText::truncated() const {
  return std::any_of(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.truncated; });
}

template <typename S>
ZeroShotClassifier<S>::ZeroShotClassifier(const Model<S>& model, const Tokenizer& tokenizer,
                                          ZeroShotOptions options)
    : model_(model),
      encoder_(tokenizer, model.config(), options.input),
      options_(std::move(options)) {
  detail::require_head(model.config(), HeadKind::sequence_classification, "zero-shot");
  entailment_ = find_entailment(model.config());
  fill_template(options_.hypothesis_template, "label");
}

template <typename S>
ZeroShotText ZeroShotClassifier<S>::encode(std::string_view text,
                                           std::span<const std::string> labels) const {
  check_labels(labels);
  detail::check_encoded_bytes(text, labels.size());
  ZeroShotText result;
  result.labels.assign(labels.begin(), labels.end());
  for (const std::string& label : labels) {
    result.pairs.push_back(encoder_.encode(
        TaskText{std::string(text), fill_template(options_.hypothesis_template, label)},
        options_.truncation));
  }
  return result;
}

template <typename S>
std::vector<ZeroShotResult> ZeroShotClassifier<S>::classify(
    std::span<const ZeroShotText> texts) const {
  const detail::FloatEnvironment environment;
  std::vector<TextTokens> pairs;
  for (const ZeroShotText& text : texts) {
    pairs.insert(pairs.end(), text.pairs.begin(), text.pairs.end());
  }
  std::vector<std::vector<double>> logits(pairs.size());
  run_head(
      model_, pairs, options_.batch_tokens,
      [&](std::size_t i, TensorView<const S> rows) {
        logits[i].assign(rows.row(0).begin(), rows.row(0).end());
      },
      options_.input.interrupt);
  std::vector<ZeroShotResult> results;
  std::size_t first = 0;
  for (const ZeroShotText& text : texts) {
    results.push_back(result(text, std::span(logits).subspan(first, text.pairs.size())));
    first += text.pairs.size();
  }
  return results;
}

template <typename S>
ZeroShotResult ZeroShotClassifier<S>::result(const ZeroShotText& text,
                                             std::span<const std::vector<double>> logits) const {
  std::vector<double> scores;
  for (const std::vector<double>& row : logits) {
    scores.push_back(row.at(entailment_));
    if (!options_.multi_label && logits.size() > 1) continue;
    // As the reference: contradiction is the first label, or the last where that is entailment.
    const double against = entailment_ == 0 ? row.back() : row.front();
    scores.back() = scores_of(ScoreFunction::softmax, {against, scores.back()})[1];
  }
  if (!options_.multi_label && logits.size() > 1) {
    scores = scores_of(ScoreFunction::softmax, std::move(scores));
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  ZeroShotResult result;
  for (const std::size_t i : order) {
    result.labels.push_back(text.labels[i]);
    result.scores.push_back(scores[i]);
  }
  return result;
}

template class ZeroShotClassifier<float>;
template class ZeroShotClassifier<double>;

}  // namespace llm
