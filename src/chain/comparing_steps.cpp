// Steps that compare texts: score (which of some completions is the most probable), similar (how
// near two texts are). Values have the fields that the commands of the same names write.
#include <algorithm>

#include "chain/chain_fields.hpp"
#include "chain/embedding_options.hpp"
#include "generation/score_fields.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/generation/scorer.hpp"
#include "llm/tasks/similarity.hpp"

namespace llm::detail {
namespace {

LengthNormalization normalization_of(const StepOptions& given) {
  return given.checked([&] {
    return length_normalization_from_name(given.text("length_normalize").value_or("none"));
  });
}

// Every line is a choice; white space in it counts.
std::vector<std::string> choices_of_lines(std::string_view text) {
  std::vector<std::string> choices;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) choices.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (choices.empty())
    throw Error(ErrorCode::invalid_input, "there are no choices; expected one on each line");
  return choices;
}

template <typename S>
class ScoreStep : public BatchRunner<S> {
 public:
  ScoreStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        by_(normalization_of(context.options)),
        token_logprobs_(context.options.boolean("token_logprobs").value_or(false)),
        scorer_(*model_.model, model_.tokenizer.get(),
                {.decoder_start = model_decoder_start(model_.path, model_.model->config()),
                 .interrupt = context.interrupt}) {}

 protected:
  std::vector<ChainValue> compute(std::span<const StepRequest> requests) override {
    std::vector<std::vector<std::string>> choices;
    std::vector<ScoreRequest> asked;
    for (const StepRequest& request : requests) {
      choices.push_back(choices_of_lines(text_named(request, "choices")));
      asked.push_back(scorer_.request(text_named(request, "prompt"), choices.back()));
    }
    std::vector<ChainValue> values;
    const std::vector<ScoreResult> scores = scorer_.score(asked);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i].error) throw Error(scores[i].error->code, scores[i].error->message);
      const OrderedFields fields = score_fields(choices[i], scores[i], by_,
                                                token_logprobs_ ? model_.tokenizer.get() : nullptr);
      values.push_back(chain_value(fields["best"].get<std::string>(), fields));
    }
    return values;
  }

 private:
  ChainModel<S> model_;
  LengthNormalization by_;
  bool token_logprobs_;
  Scorer<S> scorer_;
};

template <typename S>
class SimilarStep : public BatchRunner<S> {
 public:
  SimilarStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        embedder_(make_chain_embedder(context, model_)) {}

 protected:
  std::vector<ChainValue> compute(std::span<const StepRequest> requests) override {
    std::vector<TextTokens> texts;
    for (const StepRequest& request : requests)
      for (const char* name : {"text", "text_pair"})
        texts.push_back(embedder_.encode(text_named(request, name)));
    const auto vectors = embedder_.embed(texts);
    std::vector<ChainValue> values;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const Similarity near =
          similarity(std::span<const S>(vectors[2 * i]), std::span<const S>(vectors[2 * i + 1]));
      OrderedFields fields = {{"cosine", number_json<S>(near.cosine)},
                              {"angle", number_json<S>(near.angle)},
                              {"l2", number_json<S>(near.l2)}};
      fields["truncated"] = texts[2 * i].truncated || texts[2 * i + 1].truncated;
      values.push_back(chain_value(json_number(static_cast<S>(near.cosine)), fields));
    }
    return values;
  }

 private:
  ChainModel<S> model_;
  TextEmbedder<S> embedder_;
};

}  // namespace

void check_score_options(const StepOptions& given) {
  (void)normalization_of(given);
  (void)given.boolean("token_logprobs");
}

template <typename S>
std::unique_ptr<StepRunner<S>> make_comparing_step(const StepContext& context,
                                                   ChainModel<S> model) {
  if (context.task.name == "score")
    return std::make_unique<ScoreStep<S>>(context, std::move(model));
  return std::make_unique<SimilarStep<S>>(context, std::move(model));
}

template std::unique_ptr<StepRunner<float>> make_comparing_step(const StepContext&,
                                                                ChainModel<float>);
template std::unique_ptr<StepRunner<double>> make_comparing_step(const StepContext&,
                                                                 ChainModel<double>);

}  // namespace llm::detail
