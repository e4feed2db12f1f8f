// Steps whose value is generated: generate, few-shot, chat, summarize, translate. What is asked of
// the model, and with which options, is what the commands of the same names do.
#include <algorithm>

#include "chain/step_runner.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/prompt/chat_template.hpp"
#include "llm/tasks/chat.hpp"
#include "llm/tasks/text_task.hpp"

namespace llm::detail {
namespace {

TextTask task_of(const StepContext& context, const std::filesystem::path& path,
                 const TransformerConfig& config, const Tokenizer* tokenizer) {
  const StepOptions& options = context.options;
  const TextTaskOptions given{
      .prefix = options.text("prefix"),
      .source_language = options.text("src_lang", "source_lang").value_or(""),
      .target_language = options.text("tgt_lang", "target_lang").value_or("")};
  if (context.task.name == "summarize") return summarization_task(path, config, tokenizer, given);
  if (context.task.name == "translate") return translation_task(path, config, tokenizer, given);
  if (context.task.name != "chat") return {.config = model_generation_config(path, config)};
  if (config.kind != ModelKind::decoder)
    throw Error(ErrorCode::unsupported,
                path.string() + ": chat needs a decoder; ask this model with the task generate");
  return {.config = chat_generation_config(path, config, tokenizer)};
}

ChainValue value_of_result(const GenerationResult& result) {
  ChainValue value = ChainValue::of(result.text);
  const auto add = [&value](const char* name, std::string json) {
    value.fields.push_back({name, std::move(json), true});
  };
  add("new_ids", Json(result.new_ids).dump());
  value.fields.push_back({"finish_reason", std::string(to_string(result.finish_reason))});
  value.fields.push_back({"stop", result.stop.empty() ? "null" : result.stop, result.stop.empty()});
  add("prompt_tokens", std::to_string(result.prompt_tokens));
  add("new_tokens", std::to_string(result.new_tokens));
  add("truncated", result.truncated ? "true" : "false");
  add("seed", std::to_string(result.seed));
  add("logprob", json_number(result.logprob));
  if (result.score) add("score", json_number(*result.score));
  return value;
}

template <typename S>
class GenerationStep : public StepRunner<S> {
 public:
  GenerationStep(const StepContext& context, ChainModel<S> model, std::vector<std::string> stops)
      : context_(context),
        model_(std::move(model)),
        text_name_(context.task.texts.empty() ? "prompt" : std::string(context.task.texts[0])) {
    task_ = task_of(context, model_.path, model_.model->config(), model_.tokenizer.get());
    apply_settings(task_.config, context.options.settings());
    if (!stops.empty()) {
      stops.insert(stops.begin(), task_.config.stop_strings.begin(),
                   task_.config.stop_strings.end());
      task_.config.set("stop_strings", Json(stops).dump(), context.options.where());
    }
    set_default_length(task_.config);
    context.options.checked([&] { task_.config.validate(); });
    for (const std::string& warning : task_.config.warnings())
      if (context_.warn) context_.warn(context.options.where() + ": " + warning);
    if (context.task.name == "chat") chat_ = ChatTemplate::open(model_.path);
    special_tokens_ = !chat_ && context.options.boolean("add_special_tokens").value_or(true);
    options_.batch_size = context.batch_size;
    options_.interrupt = context.interrupt;
    options_.overflow = overflow_from_name(context.options.text("overflow").value_or("error"));
    options_.max_input_tokens = context.options.integer("max_input_tokens", 1);
  }

  void run(std::span<const StepRequest> requests,
           const typename StepRunner<S>::Sink& sink) override {
    const Generator<S> generator(*model_.model, model_.tokenizer.get(), options_);
    const std::int32_t answers = static_cast<std::int32_t>(task_.config.num_return_sequences);
    std::size_t next = 0, done = 0;
    StepOutcome several{.value = ChainValue::list({})};
    generator.run(
        [&]() -> std::optional<GenerationRequest> {
          if (next == requests.size()) return std::nullopt;
          return make(requests[next++]);
        },
        task_.config,
        [&](GenerationResult&& result) {
          const bool is_last = result.error || result.sample + 1 == answers;
          StepOutcome one = outcome_of(std::move(result));
          if (answers == 1 || one.error) return sink(done++, std::move(one));
          several.interrupted = several.interrupted || one.interrupted;
          several.value.items.push_back(std::move(one.value));
          if (is_last) sink(done++, std::exchange(several, {.value = ChainValue::list({})}));
        });
    while (done < requests.size()) sink(done++, {.value = {}, .interrupted = true});
  }

 private:
  GenerationRequest make(const StepRequest& asked) const {
    GenerationRequest request;
    try {
      std::string text = asked.texts.find(text_name_)->second;
      if (text.empty())
        throw Error(ErrorCode::invalid_input,
                    "the " + text_name_ + " is empty; there must be at least one character");
      if (chat_) text = rendered(asked.texts);
      request = task_.request(text);
    } catch (const Error& error) {
      request.error = RowError{error.code(), error.what()};
    }
    request.add_special_tokens = special_tokens_;
    request.row = 0;
    if (task_.config.do_sample) {
      auto config = std::make_shared<GenerationConfig>(task_.config);
      config->seed = asked.seed;
      request.config = std::move(config);
    }
    return request;
  }

  std::string rendered(const Fields& texts) const {
    std::vector<Message> messages;
    const auto system = texts.find("system");
    if (system != texts.end() && !system->second.empty())
      messages.push_back({"system", system->second, {}});
    messages.push_back({"user", texts.find("prompt")->second, {}});
    return chat_->render(messages, {.interrupt = context_.interrupt});
  }

  static StepOutcome outcome_of(GenerationResult&& result) {
    if (result.error && result.error->code == ErrorCode::interrupted)
      return {.value = {}, .interrupted = true};
    if (result.error) return {.value = {}, .error = std::move(result.error)};
    return {.value = value_of_result(result),
            .interrupted = result.finish_reason == FinishReason::interrupted};
  }

  StepContext context_;
  ChainModel<S> model_;
  std::string text_name_;
  TextTask task_;
  std::optional<ChatTemplate> chat_;
  bool special_tokens_ = true;
  RunOptions<S> options_;
};

}  // namespace

template <typename S>
std::unique_ptr<StepRunner<S>> make_generation_step(const StepContext& context, ChainModel<S> model,
                                                    std::vector<std::string> stops) {
  return std::make_unique<GenerationStep<S>>(context, std::move(model), std::move(stops));
}

template std::unique_ptr<StepRunner<float>> make_generation_step(const StepContext&,
                                                                 ChainModel<float>,
                                                                 std::vector<std::string>);
template std::unique_ptr<StepRunner<double>> make_generation_step(const StepContext&,
                                                                  ChainModel<double>,
                                                                  std::vector<std::string>);

}  // namespace llm::detail
