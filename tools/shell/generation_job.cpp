#include "shell/generation_job.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "core/json.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/explain.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* own_default = "default of llm-generate";
constexpr const char* default_new_tokens = "128";

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string json_list(const std::vector<std::string>& strings) {
  return detail::Json(strings).dump();
}

TokenId token_of(const std::string& name, const Tokenizer* tokenizer) {
  if (tokenizer != nullptr)
    if (const auto id = tokenizer->id(name)) return *id;
  if (!name.empty() && name.size() < 10 &&
      name.find_first_not_of("0123456789") == std::string::npos)
    return static_cast<TokenId>(std::stol(name));
  throw Error(ErrorCode::invalid_option,
              "--stop-token " + quote(name) +
                  " is no token of this model's vocabulary; tokenize shows how tokens are spelled",
              "--stop-token");
}

// A banned word is banned at the start of a text and within one.
std::vector<std::vector<TokenId>> ids_of_words(const std::vector<std::string>& words,
                                               const Tokenizer* tokenizer) {
  if (tokenizer == nullptr)
    throw Error(ErrorCode::invalid_option,
                "--bad-words needs a tokenizer, and this model has none; give --bad-words-ids",
                "--bad-words");
  std::vector<std::vector<TokenId>> all;
  for (const std::string& word : words) {
    for (const std::string& text : {word, " " + word}) {
      std::vector<TokenId> ids = tokenizer->encode(text, {.add_special_tokens = false}).ids;
      if (!ids.empty() && (all.empty() || all.back() != ids)) all.push_back(std::move(ids));
    }
  }
  return all;
}

// The last value given for an option on the command line.
const Setting* given(const GenerationJob& job, std::string_view name) {
  const auto found = std::find_if(job.settings.rbegin(), job.settings.rend(),
                                  [name](const Setting& setting) { return setting.name == name; });
  return found == job.settings.rend() ? nullptr : &*found;
}

// A temperature of 0 is how many programs spell greedy.
bool is_zero(const std::string& number) {
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  return !number.empty() && *end == '\0' && value == 0;
}

// Options that only mean something when tokens are drawn turn drawing on.
void turn_sampling_on(const GenerationJob& job, GenerationConfig& config) {
  if (given(job, "do_sample") != nullptr) return;
  const Setting* const temperature = given(job, "temperature");
  if (temperature != nullptr && is_zero(temperature->value)) {
    config.set("temperature", "null", "default");
    return config.set("do_sample", "false", "implied by temperature 0");
  }
  for (const char* name : {"temperature", "top_k", "top_p", "min_p", "typical_p"})
    if (given(job, name) != nullptr)
      config.set("do_sample", "true", std::string("implied by ") + name);
}

GenerationConfig configure(const GenerationJob& job, const std::filesystem::path& path,
                           const TransformerConfig& model, const Tokenizer* tokenizer) {
  GenerationConfig config = model_generation_config(path, model);
  // What came with the model, but from no file of generation options.
  for (const char* name :
       {"bos_token_id", "pad_token_id", "eos_token_id", "decoder_start_token_id"})
    if (config.source(name) == "default") config.sources[name] = "model";
  for (const Setting& setting : job.settings)
    config.set(setting.name, setting.value, setting.source);
  turn_sampling_on(job, config);
  if (!job.stop.empty()) config.set("stop_strings", json_list(job.stop), "flag");
  if (!job.bad_words.empty())
    config.set("bad_words_ids", detail::Json(ids_of_words(job.bad_words, tokenizer)).dump(),
               "flag");
  if (!job.stop_tokens.empty()) {
    std::vector<TokenId> ids;
    for (const std::string& name : job.stop_tokens) ids.push_back(token_of(name, tokenizer));
    config.set("stop_token_ids", detail::Json(ids).dump(), "flag");
  }
  if (!config.max_new_tokens && !config.max_length)
    config.set("max_new_tokens", default_new_tokens, own_default);
  config.validate();
  if (!config.stop_strings.empty() && tokenizer == nullptr)
    throw Error(ErrorCode::invalid_option,
                "stop strings need a tokenizer, and this model has none; give --stop-token-ids",
                "--stop");
  for (const std::string& warning : config.warnings()) console().warning(warning);
  return config;
}

void show_configuration(const GenerationJob& job, const std::filesystem::path& path,
                        const GenerationConfig& config, const Tokenizer* tokenizer) {
  if (!console().is_verbose()) return;
  console().detail("model = " + path.string() + " (" + job.model_source + ")");
  for (const Adapter& adapter : job.adapters) {
    char weight[32];
    std::snprintf(weight, sizeof weight, "%g", adapter.weight);
    console().detail("adapter = " + adapter.path.string() + " (weight " + weight + ")");
  }
  console().detail("tokenizer = " + (tokenizer == nullptr ? "none" : tokenizer->description()));
  for (const TokenizerFile& file : Tokenizer::files(path)) console().detail(file.note);
  console().detail("dtype = " + job.dtype);
  for (const std::string_view name : GenerationConfig::names()) {
    console().detail(std::string(name) + " = " + config.value(name) + " (" +
                     std::string(config.source(name)) + ")");
  }
}

void show_weights(const ModelInfo& info) {
  std::string dtypes;
  for (const std::string& dtype : info.dtypes) dtypes += (dtypes.empty() ? "" : ", ") + dtype;
  console().detail("weights = " + std::to_string(info.parameters) + " values (" + dtypes + "), " +
                   std::to_string(info.weight_bytes) + " bytes in memory");
  for (const std::string& name : info.unused_tensors) console().detail("unused tensor: " + name);
}

// Figures of a run, for -v.
struct Figures {
  std::int64_t prompt_tokens = 0, new_tokens = 0, sequences = 0;
  std::uint64_t seed = 0;
  bool time_limit = false;

  void add(const GenerationResult& result) {
    if (result.error) return;
    ++sequences;
    if (result.sample == 0) prompt_tokens += result.prompt_tokens;
    new_tokens += result.new_tokens;
    seed = result.seed;
    time_limit = time_limit || result.finish_reason == FinishReason::time;
  }

  void show(const GenerationConfig& config, double load, double run) const {
    char line[200];
    std::snprintf(line, sizeof line,
                  "%lld sequences, %lld prompt tokens, %lld new tokens; loading %.3f s, generating "
                  "%.3f s, %.1f new tokens/s",
                  static_cast<long long>(sequences), static_cast<long long>(prompt_tokens),
                  static_cast<long long>(new_tokens), load, run,
                  static_cast<double>(new_tokens) / std::max(run, 1e-9));
    console().detail(line);
    if (config.do_sample) console().detail("seed = " + std::to_string(seed));
  }
};

template <typename S>
class Run {
 public:
  Run(const GenerationJob& job, const RowSource& rows)
      : job_(job), rows_(rows), path_(find_model(job.model)), start_(Clock::now()) {
    tokenizer_ = open_tokenizer(path_);
    model_ = Model<S>::load(path_, LoadOptions{.threads = job.threads,
                                               .adapters = job.adapters,
                                               .weights = parse_precision(job.dtype).weights,
                                               .fast = job.fast});
    show_weights(model_->info());
    config_ = configure(job, path_, model_->config(), tokenizer_.get());
    load_seconds_ = seconds_since(start_);
    show_configuration(job, path_, config_, tokenizer_.get());
  }

  int execute() {
    Output out(job_.output, job_.force);
    const bool several = config_.num_return_sequences > 1;
    ResultWriter writer(out,
                        {.format = job_.format,
                         .list = job_.format == Format::json && (job_.batch || several),
                         .number_samples = several,
                         .echo = job_.echo},
                        tokenizer_.get());
    const bool stream = job_.format == Format::text && !job_.batch && !several &&
                        tokenizer_ != nullptr && job_.stream.value_or(true);
    Explainer<S> explainer(tokenizer_.get());
    const Generator<S> generator(*model_, tokenizer_.get(), run_options(explainer));
    const Clock::time_point begin = Clock::now();
    Figures figures;
    std::exception_ptr write_failure;
    generator.run(
        [&]() -> std::optional<GenerationRequest> {
          std::optional<InputRow> row = rows_();
          if (!row) return std::nullopt;
          GenerationRequest request = to_request(std::move(*row), writer);
          if (stream) request.on_text = stream_to(writer, write_failure);
          return request;
        },
        config_,
        [&](GenerationResult&& result) {
          if (write_failure) std::rethrow_exception(write_failure);
          if (result.error && !job_.batch) throw Error(result.error->code, result.error->message);
          figures.add(result);
          writer.write(result);
        });
    writer.finish();
    out.finish();
    figures.show(config_, load_seconds_, seconds_since(begin));
    return exit_code_of(writer, figures);
  }

 private:
  RunOptions<S> run_options(Explainer<S>& explainer) const {
    RunOptions<S> options;
    options.batch_size = job_.batch_size;
    options.overflow = overflow_from_name(job_.overflow);
    options.logprobs = job_.logprobs;
    options.interrupt = &interrupt_flag();
    options.observer = job_.explain ? &explainer : nullptr;
    return options;
  }

  GenerationRequest to_request(InputRow&& row, ResultWriter& writer) const {
    GenerationRequest request;
    request.id = std::move(row.id);
    request.text = std::move(row.text);
    request.ids = std::move(row.ids);
    request.add_special_tokens = job_.add_special_tokens;
    if (job_.echo)
      writer.add_prompt(request.text            ? *request.text
                        : tokenizer_ == nullptr ? std::string()
                                                : tokenizer_->decode(request.ids, {false}));
    request.error = refusal(request);
    return request;
  }

  // Rows that cannot be done, with a sentence that tells the user of the command why.
  std::optional<RowError> refusal(const GenerationRequest& request) const {
    if (request.text && tokenizer_ == nullptr)
      return RowError{ErrorCode::invalid_input,
                      "the prompt is text, but " + quote(path_.string()) +
                          " has no tokenizer; give token ids as \"ids\" of a row of --input"};
    if (request.text ? request.text->empty() : request.ids.empty())
      return RowError{ErrorCode::invalid_input, "the prompt is empty; give at least one character"};
    return std::nullopt;
  }

  // Ends the row when nobody reads any more, and keeps why.
  static std::function<bool(std::int32_t, std::string_view)> stream_to(
      ResultWriter& writer, std::exception_ptr& failure) {
    return [&writer, &failure](std::int32_t, std::string_view piece) {
      try {
        writer.stream(piece);
      } catch (...) {
        failure = std::current_exception();
      }
      return failure == nullptr;
    };
  }

  int exit_code_of(const ResultWriter& writer, const Figures& figures) const {
    if (interrupt_flag()) {
      console().note("interrupted after " + std::to_string(writer.written_rows()) + " results");
      return 128 + caught_signal();
    }
    if (writer.failed_rows() > 0) {
      console().note(std::to_string(writer.failed_rows()) + " of " +
                     std::to_string(writer.written_rows()) + " rows failed");
      return exit_some_rows_failed;
    }
    return figures.time_limit ? exit_limit : exit_ok;
  }

  const GenerationJob& job_;
  const RowSource& rows_;
  std::filesystem::path path_;
  Clock::time_point start_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Model<S>> model_;
  GenerationConfig config_;
  double load_seconds_ = 0;
};

}  // namespace

int run_generation(const GenerationJob& job, const RowSource& rows) {
  return with_scalar(parse_precision(job.dtype),
                     [&](auto scalar) { return Run<decltype(scalar)>(job, rows).execute(); });
}

}  // namespace llm::shell
