// Steps of models with heads: classify, zero-shot, ner, qa, fill-mask, embed. Values have the
// fields that the commands of the same names write.
#include <algorithm>

#include "chain/chain_fields.hpp"
#include "chain/embedding_options.hpp"
#include "core/split.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/tasks/classify.hpp"
#include "llm/tasks/fill_mask.hpp"
#include "llm/tasks/fill_spans.hpp"
#include "llm/tasks/ner.hpp"
#include "llm/tasks/qa.hpp"
#include "llm/tasks/zero_shot.hpp"

namespace llm::detail {
namespace {

using Requests = std::span<const StepRequest>;

ClassifyOptions classify_options(const StepOptions& given) {
  ClassifyOptions options;
  options.input.max_input_tokens = given.integer("max_input_tokens", 1);
  options.top_k = given.integer("top_k", 0).value_or(0);
  if (const auto name = given.text("function_to_apply"))
    options.function = given.checked([&] { return score_function_from_name(*name); });
  if (given.cuts(false)) options.truncation = Truncation::longest_first;
  return options;
}

ZeroShotOptions zero_shot_options(const StepOptions& given) {
  ZeroShotOptions options;
  options.input.max_input_tokens = given.integer("max_input_tokens", 1);
  options.hypothesis_template =
      given.text("hypothesis_template").value_or(options.hypothesis_template);
  options.multi_label = given.boolean("multi_label").value_or(false);
  options.truncation = given.cuts(false) ? Truncation::only_first : Truncation::none;
  return options;
}

NerOptions ner_options(const StepOptions& given) {
  NerOptions options;
  options.input.max_input_tokens = given.integer("max_input_tokens", 1);
  if (const auto name = given.text("aggregation_strategy"))
    options.aggregation = given.checked([&] { return aggregation_from_name(*name); });
  options.ignore_labels = given.list("ignore_labels").value_or(options.ignore_labels);
  options.stride = given.integer("stride", 0);
  options.truncate = given.cuts(false);
  return options;
}

QaOptions qa_options(const StepOptions& given) {
  QaOptions options;
  options.top_k = given.integer("top_k", 1).value_or(options.top_k);
  options.max_answer_len = given.integer("max_answer_len", 1).value_or(options.max_answer_len);
  options.handle_impossible_answer = given.boolean("handle_impossible_answer").value_or(false);
  options.align_to_words = given.boolean("align_to_words").value_or(true);
  options.max_seq_len = given.integer("max_seq_len", 1);
  options.doc_stride = given.integer("doc_stride", 0);
  return options;
}

FillMaskOptions fill_mask_options(const StepOptions& given) {
  FillMaskOptions options;
  options.input.max_input_tokens = given.integer("max_input_tokens", 1);
  options.top_k = given.integer("top_k", 1).value_or(options.top_k);
  options.targets = given.list("targets").value_or(options.targets);
  if (given.cuts(false)) options.truncation = Truncation::longest_first;
  (void)given.integer("max_new_tokens", 1);
  return options;
}

template <typename S>
class ClassifyStep : public BatchRunner<S> {
 public:
  ClassifyStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        cuts_(context.options.cuts(false)),
        classifier_(*model_.model, *model_.tokenizer,
                    interruptible(classify_options(context.options), context)) {}

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<TextTokens> texts;
    for (const StepRequest& request : requests) {
      const auto pair = request.texts.find("text_pair");
      texts.push_back(classifier_.encode(
          {text_named(request, "text"),
           pair == request.texts.end() ? std::nullopt : std::optional(pair->second)}));
    }
    std::vector<ChainValue> values;
    const auto labels = classifier_.classify(texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      OrderedFields list = OrderedFields::array();
      for (const LabelScore& entry : labels[i])
        list.push_back({{"label", entry.label}, {"score", number_json<S>(entry.score)}});
      OrderedFields fields = {{"label", list[0]["label"]}, {"score", list[0]["score"]}};
      fields["labels"] = std::move(list);
      if (cuts_) fields["truncated"] = texts[i].truncated;
      values.push_back(chain_value(labels[i][0].label, fields));
    }
    return values;
  }

 private:
  ChainModel<S> model_;
  bool cuts_;
  TextClassifier<S> classifier_;
};

template <typename S>
class ZeroShotStep : public BatchRunner<S> {
 public:
  ZeroShotStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        cuts_(context.options.cuts(false)),
        classifier_(*model_.model, *model_.tokenizer,
                    interruptible(zero_shot_options(context.options), context)) {}

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<ZeroShotText> texts;
    for (const StepRequest& request : requests)
      texts.push_back(classifier_.encode(text_named(request, "text"),
                                         split_trimmed(text_named(request, "labels"), ",")));
    std::vector<ChainValue> values;
    const std::vector<ZeroShotResult> results = classifier_.classify(texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      OrderedFields scores = OrderedFields::array();
      for (const double score : results[i].scores) scores.push_back(number_json<S>(score));
      OrderedFields fields = {{"label", results[i].labels[0]}, {"score", scores[0]}};
      fields["sequence"] = text_named(requests[i], "text");
      fields["labels"] = results[i].labels;
      fields["scores"] = std::move(scores);
      if (cuts_) fields["truncated"] = texts[i].truncated();
      values.push_back(chain_value(results[i].labels[0], fields));
    }
    return values;
  }

 private:
  ChainModel<S> model_;
  bool cuts_;
  ZeroShotClassifier<S> classifier_;
};

template <typename S>
class NerStep : public BatchRunner<S> {
 public:
  NerStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        options_(interruptible(ner_options(context.options), context)),
        tagger_(*model_.model, *model_.tokenizer, options_) {}

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<std::string> texts;
    for (const StepRequest& request : requests) texts.push_back(text_named(request, "text"));
    std::vector<ChainValue> values;
    for (const TaggedText& text : tagger_.tag(texts)) values.push_back(value_of(text));
    return values;
  }

 private:
  OrderedFields fields_of(const Entity& entity) const {
    const bool grouped = options_.aggregation != Aggregation::none;
    OrderedFields fields = {{grouped ? "entity_group" : "entity", entity.label},
                            {"score", number_json<S>(entity.score)}};
    if (!grouped) fields["index"] = entity.index;
    fields["word"] = entity.word;
    fields["start"] = entity.span.start;
    fields["end"] = entity.span.end;
    return fields;
  }

  ChainValue value_of(const TaggedText& text) const {
    OrderedFields list = OrderedFields::array();
    std::string words;
    std::vector<ChainValue> items;
    for (const Entity& entity : text.entities) {
      list.push_back(fields_of(entity));
      items.push_back(chain_value(entity.word, list.back()));
      words += (words.empty() ? "" : ", ") + entity.word;
    }
    OrderedFields fields = {{"entities", std::move(list)}};
    if (options_.truncate) fields["truncated"] = text.truncated;
    ChainValue value = chain_value(words, fields);
    value.is_list = true;
    value.items = std::move(items);
    return value;
  }

  ChainModel<S> model_;
  NerOptions options_;
  EntityTagger<S> tagger_;
};

template <typename S>
class QaStep : public BatchRunner<S> {
 public:
  QaStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        answerer_(*model_.model, *model_.tokenizer,
                  interruptible(qa_options(context.options), context)) {}

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<Question> questions;
    for (const StepRequest& request : requests)
      questions.push_back({text_named(request, "question"), text_named(request, "context")});
    std::vector<ChainValue> values;
    for (const std::vector<Answer>& answers : answerer_.answer(questions)) {
      OrderedFields list = OrderedFields::array();
      for (const Answer& answer : answers)
        list.push_back({{"answer", answer.answer},
                        {"score", number_json<S>(answer.score)},
                        {"start", answer.span.start},
                        {"end", answer.span.end}});
      OrderedFields fields = list.empty() ? OrderedFields::object() : list[0];
      fields["answers"] = std::move(list);
      values.push_back(chain_value(answers.empty() ? "" : answers[0].answer, fields));
    }
    return values;
  }

 private:
  ChainModel<S> model_;
  QuestionAnswerer<S> answerer_;
};

// The best word of each mask, and the best answer's own fields.
ChainValue value_of_masks(OrderedFields masks) {
  std::string words;
  for (const OrderedFields& mask : masks)
    if (!mask.empty())
      words += (words.empty() ? "" : ", ") + mask[0]["token_str"].get<std::string>();
  OrderedFields fields = OrderedFields::object();
  if (!masks.empty() && !masks[0].empty())
    for (const char* name : {"token_str", "score", "sequence"}) fields[name] = masks[0][0][name];
  fields["masks"] = std::move(masks);
  return chain_value(words, fields);
}

template <typename S>
class FillMaskStep : public BatchRunner<S> {
 public:
  FillMaskStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        cuts_(context.options.cuts(false)),
        filler_(*model_.model, *model_.tokenizer,
                interruptible(fill_mask_options(context.options), context)) {
    if (context.warn)
      for (const std::string& note : filler_.notes()) context.warn(note);
  }

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<TextTokens> texts;
    for (const StepRequest& request : requests)
      texts.push_back(filler_.encode(text_named(request, "text")));
    std::vector<ChainValue> values;
    const auto all = filler_.fill(texts);
    for (std::size_t i = 0; i < all.size(); ++i) {
      OrderedFields masks = OrderedFields::array();
      for (const std::vector<MaskFill>& mask : all[i]) {
        OrderedFields& list = masks.emplace_back(OrderedFields::array());
        for (const MaskFill& fill : mask)
          list.push_back({{"token", fill.token},
                          {"token_str", fill.token_str},
                          {"score", number_json<S>(fill.score)},
                          {"sequence", fill.sequence}});
      }
      values.push_back(value_of_masks(std::move(masks)));
      if (cuts_)
        values.back().fields.push_back({"truncated", texts[i].truncated ? "true" : "false", true});
    }
    return values;
  }

 private:
  ChainModel<S> model_;
  bool cuts_;
  MaskFiller<S> filler_;
};

// The gaps of T5.
template <typename S>
class FillSpansStep : public BatchRunner<S> {
 public:
  FillSpansStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        filler_(*model_.model, *model_.tokenizer, config(context),
                context.options.integer("top_k", 1).value_or(1)) {}

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<SpanText> texts;
    for (const StepRequest& request : requests)
      texts.push_back(filler_.encode(text_named(request, "text")));
    std::vector<ChainValue> values;
    const auto answers = filler_.fill(texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      OrderedFields gaps = OrderedFields::array();
      for (std::size_t gap = 0; gap < texts[i].gaps.size(); ++gap) {
        OrderedFields& list = gaps.emplace_back(OrderedFields::array());
        for (const SpanAnswer& answer : answers[i])
          if (const auto& fill = answer.fills[gap])
            list.push_back({{"tokens", fill->tokens},
                            {"token_str", fill->token_str},
                            {"score", number_json<S>(fill->score)},
                            {"sequence", answer.sequence}});
      }
      values.push_back(value_of_masks(std::move(gaps)));
    }
    return values;
  }

 private:
  GenerationConfig config(const StepContext& context) const {
    GenerationConfig config = model_generation_config(model_.path, model_.model->config());
    if (const auto most = context.options.integer("max_new_tokens", 1)) {
      config.max_new_tokens = most;
    }
    for (const std::string& warning : config.warnings()) {
      if (context.warn) context.warn(warning);
    }
    return config;
  }

  ChainModel<S> model_;
  SpanFiller<S> filler_;
};

template <typename S>
class EmbedStep : public BatchRunner<S> {
 public:
  EmbedStep(const StepContext& context, ChainModel<S> model)
      : BatchRunner<S>(context),
        model_(std::move(model)),
        embedder_(make_chain_embedder(context, model_)) {}

 protected:
  std::vector<ChainValue> compute(Requests requests) override {
    std::vector<TextTokens> texts;
    for (const StepRequest& request : requests)
      texts.push_back(embedder_.encode(text_named(request, "text")));
    std::vector<ChainValue> values;
    const auto vectors = embedder_.embed(texts);
    for (std::size_t i = 0; i < texts.size(); ++i)
      values.push_back(value_of_embedding(vectors[i], texts[i]));
    return values;
  }

 private:
  ChainModel<S> model_;
  TextEmbedder<S> embedder_;
};

}  // namespace

void check_step_options(const ChainTask& task, const StepOptions& given) {
  if (task.name == "classify") (void)classify_options(given);
  if (task.name == "zero-shot") (void)zero_shot_options(given);
  if (task.name == "ner") (void)ner_options(given);
  if (task.name == "qa") (void)qa_options(given);
  if (task.name == "fill-mask") (void)fill_mask_options(given);
  if (task.generates) {
    for (const char* name :
         {"prefix", "src_lang", "source_lang", "tgt_lang", "target_lang", "select"})
      (void)given.text(name);
    (void)given.boolean("add_special_tokens");
    (void)given.checked(
        [&] { return overflow_from_name(given.text("overflow").value_or("error")); });
  }
  if (task.head == HeadKind::none) {
    for (const std::string& name : given.list("pooling").value_or(std::vector<std::string>()))
      (void)given.checked([&] { return pooling_from_name(name); });
    (void)given.boolean("normalize");
    (void)given.integer("max_seq_length", 1);
    (void)given.integer("truncate_dim", 1);
    (void)given.cuts(true);
    if (given.text("prompt") && given.text("prompt_name"))
      bad_chain(given.where(), "\"prompt\" and \"prompt_name\" exclude each other");
    if (task.name == "retrieve") (void)given.integer("top_k", 1);
  }
  if (task.name == "score") check_score_options(given);
}

template <typename S>
std::unique_ptr<StepRunner<S>> make_head_step(const StepContext& context, ChainModel<S> model) {
  const std::string_view task = context.task.name;
  if (task == "classify") return std::make_unique<ClassifyStep<S>>(context, std::move(model));
  if (task == "zero-shot") return std::make_unique<ZeroShotStep<S>>(context, std::move(model));
  if (task == "ner") return std::make_unique<NerStep<S>>(context, std::move(model));
  if (task == "qa") return std::make_unique<QaStep<S>>(context, std::move(model));
  if (task == "embed") return std::make_unique<EmbedStep<S>>(context, std::move(model));
  if (task == "score" || task == "similar")
    return make_comparing_step<S>(context, std::move(model));
  if (model.model->is_encoder_decoder() && model.model->head() != HeadKind::masked_lm)
    return std::make_unique<FillSpansStep<S>>(context, std::move(model));
  return std::make_unique<FillMaskStep<S>>(context, std::move(model));
}

template std::unique_ptr<StepRunner<float>> make_head_step(const StepContext&, ChainModel<float>);
template std::unique_ptr<StepRunner<double>> make_head_step(const StepContext&, ChainModel<double>);

}  // namespace llm::detail
