#include "shell/generation_job.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <utility>

#include "llm/generation/generator.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/explain.hpp"
#include "shell/generation_row.hpp"
#include "shell/load.hpp"
#include "shell/opened_model.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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

// Brings what the generator gives, sample by sample, into results of rows.
class Collector {
 public:
  Collector(RowRun& run, const GenerationLayout& layout, std::int64_t samples,
            const Tokenizer* tokenizer)
      : run_(run), layout_(layout), samples_(samples), tokenizer_(tokenizer) {}

  // The next row handed to the generator, and its prompt.
  void expect(std::string prompt) { prompts_.push_back(std::move(prompt)); }

  void add(const GenerationResult& result) {
    if (!fields_.empty() && result.id != id_) finish_row();
    // What is cut short is done again when the run is resumed.
    if (result.finish_reason == FinishReason::interrupted && run_.resumable()) run_.stop();
    id_ = result.id;
    if (result.error) {
      run_.write(*result.error);
      prompts_.pop_front();
      return;
    }
    fields_.push_back(to_fields(result, prompts_.front(), layout_, tokenizer_));
    if (result.sample + 1 == samples_) finish_row();
  }

  // After the last result.
  void finish() {
    if (!fields_.empty()) finish_row();
  }

 private:
  void finish_row() {
    run_.write(std::exchange(fields_, {}));
    prompts_.pop_front();
  }

  RowRun& run_;
  GenerationLayout layout_;
  std::int64_t samples_;
  const Tokenizer* tokenizer_;
  std::deque<std::string> prompts_;  // of rows not yet written
  std::string id_;                   // of the row that fields_ are of
  std::vector<OrderedJson> fields_;
};

template <typename S>
class Run {
 public:
  Run(const GenerationJob& job, const PromptMaker& prompt)
      : job_(job),
        prompt_(prompt),
        start_(Clock::now()),
        opened_(job),
        load_seconds_(seconds_since(start_)) {}

  int execute() {
    const bool several = opened_.config().num_return_sequences > 1;
    const GenerationLayout layout{.sample = several,
                                  .prompt = job_.echo,
                                  .score = opened_.config().num_beams > 1,
                                  .logprobs = job_.logprobs > 0};
    const TextForm text = [this](const Row&, const OrderedJson& fields) {
      return to_text(fields, opened_.tokenizer != nullptr);
    };
    RowRun run(job_.rows, layout.columns(), text, several);
    GenerationConfig& config = opened_.task.config;
    if (!config.seed) config.seed = run.seed();
    const bool stream = job_.rows.format == Format::text && !job_.rows.batch() && !several &&
                        opened_.tokenizer != nullptr && job_.stream.value_or(true);
    Collector collector(run, layout, opened_.config().num_return_sequences,
                        opened_.tokenizer.get());
    Explainer<S> explainer(opened_.tokenizer.get());
    const Generator<S> generator(*opened_.model, opened_.tokenizer.get(), run_options(explainer));
    const Clock::time_point begin = Clock::now();
    Figures figures;
    std::exception_ptr write_failure;
    generator.run(
        [&]() -> std::optional<GenerationRequest> {
          std::optional<Row> row = run.next();
          if (!row) return std::nullopt;
          GenerationRequest request = to_request(*row);
          std::string shown = job_.echo ? prompt_of(request) : std::string();
          if (stream) request.on_text = stream_to(run, shown, write_failure);
          collector.expect(std::move(shown));
          return request;
        },
        config,
        [&](GenerationResult&& result) {
          if (write_failure) std::rethrow_exception(write_failure);
          figures.add(result);
          collector.add(result);
        });
    collector.finish();
    const int code = run.finish();
    figures.show(opened_.config(), load_seconds_, seconds_since(begin));
    return code == exit_ok && figures.time_limit ? exit_limit : code;
  }

 private:
  RunOptions<S> run_options(Explainer<S>& explainer) const {
    RunOptions<S> options;
    options.batch_size = job_.rows.batch_size;
    options.overflow = overflow_from_name(job_.overflow);
    options.logprobs = job_.logprobs;
    options.interrupt = &interrupt_flag();
    options.observer = job_.explain ? &explainer : nullptr;
    return options;
  }

  GenerationRequest to_request(const Row& row) {
    GenerationRequest request;
    request.id = std::to_string(requests_++);
    request.row = opened_.config().do_sample ? row.stream() : row.number;
    request.add_special_tokens = job_.add_special_tokens;
    request.error = row.error;
    if (request.error) return request;
    try {
      if (!prompt_ && row.texts.empty()) {
        request.ids = token_ids(row);
        request.error = refusal(request, request.ids.empty());
      } else {
        const std::string text = prompt_ ? prompt_(row) : row.texts[0];
        const GenerationRequest asked = opened_.task.request(text);
        request.text = asked.text;
        request.language = asked.language;
        request.error = refusal(request, text.empty());
      }
    } catch (const Error& error) {
      request.error = RowError{error.code(), error.what()};
    }
    return request;
  }

  std::string prompt_of(const GenerationRequest& request) const {
    if (request.text) return *request.text;
    return opened_.tokenizer == nullptr ? std::string()
                                        : opened_.tokenizer->decode(request.ids, {false});
  }

  // Rows that cannot be done, with a sentence that tells the user of the command why.
  std::optional<RowError> refusal(const GenerationRequest& request, bool empty) const {
    if (request.text && opened_.tokenizer == nullptr)
      return RowError{ErrorCode::invalid_input,
                      "the prompt is text, but " + quote(opened_.path.string()) +
                          " has no tokenizer; give token ids as \"ids\" of a row of --input"};
    if (empty)
      return RowError{ErrorCode::invalid_input, "the prompt is empty; give at least one character"};
    return std::nullopt;
  }

  // Writes pieces behind `prompt`. Ends the row when nobody reads any more, and keeps why.
  static std::function<bool(std::int32_t, std::string_view)> stream_to(
      RowRun& run, std::string prompt, std::exception_ptr& failure) {
    return
        [&run, prompt = std::move(prompt), &failure](std::int32_t, std::string_view piece) mutable {
          try {
            run.stream(std::exchange(prompt, {}) + std::string(piece));
          } catch (...) {
            failure = std::current_exception();
          }
          return failure == nullptr;
        };
  }

  const GenerationJob& job_;
  const PromptMaker& prompt_;
  Clock::time_point start_;
  OpenedModel<S> opened_;
  double load_seconds_ = 0;
  std::uint64_t requests_ = 0;
};

}  // namespace

int run_generation(const GenerationJob& job, const PromptMaker& prompt) {
  return with_scalar(parse_precision(job.dtype),
                     [&](auto scalar) { return Run<decltype(scalar)>(job, prompt).execute(); });
}

}  // namespace llm::shell
