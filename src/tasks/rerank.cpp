#include "llm/tasks/rerank.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

#include "core/float_environment.hpp"
#include "tasks/require_head.hpp"

namespace llm {
namespace {

// The classes that cross-encoders are saved with.
ScoreFunction saved_function(const TransformerConfig& config) {
  const std::string& name = config.cross_encoder_activation;
  if (name.empty() || name.ends_with(".Sigmoid")) return ScoreFunction::sigmoid;
  if (name.ends_with(".Identity")) return ScoreFunction::none;
  throw Error(ErrorCode::unsupported,
              "the model's activation_fn is " + quote(name) +
                  "; supported: Sigmoid, Identity; or name a score function",
              "activation_fn");
}

}  // namespace

template <typename S>
Reranker<S>::Reranker(const Model<S>& model, const Tokenizer& tokenizer, RerankOptions options)
    : model_(model),
      encoder_(tokenizer, model.config(), options.input),
      options_(options),
      function_(options.function ? *options.function : saved_function(model.config())) {
  detail::require_head(model.config(), HeadKind::sequence_classification, "rerank");
  if (options_.top_k < 0) {
    throw Error(ErrorCode::invalid_option,
                "top-k is " + std::to_string(options_.top_k) + ", expected 1 or more, or 0 for all",
                "top-k");
  }
}

template <typename S>
std::vector<RankedDocument> Reranker<S>::rank(const std::string& query,
                                              std::span<const std::string> documents) const {
  const detail::FloatEnvironment environment;
  std::vector<TextTokens> pairs;
  pairs.reserve(documents.size());
  for (const std::string& document : documents) {
    pairs.push_back(encoder_.encode({query, document}, options_.truncation));
  }
  std::vector<RankedDocument> ranked;
  run_head(
      model_, pairs, options_.batch_tokens,
      [&](std::size_t i, TensorView<const S> logits) {
        if (logits.cols() != 1) {
          throw Error(ErrorCode::unsupported,
                      "rerank needs a classifier of one label, this model has " +
                          std::to_string(logits.cols()) + "; use classify");
        }
        const double logit = static_cast<double>(logits.row(0).front());
        ranked.push_back({i, scores_of(function_, {logit}).front(), pairs[i].truncated});
      },
      options_.input.interrupt);
  std::ranges::stable_sort(ranked, std::greater(), &RankedDocument::score);
  if (options_.top_k > 0 && std::ssize(ranked) > options_.top_k) {
    ranked.resize(static_cast<std::size_t>(options_.top_k));
  }
  return ranked;
}

template class Reranker<float>;
template class Reranker<double>;

}  // namespace llm
