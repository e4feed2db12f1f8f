#include "shell/generation_job.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "llm/generation/generator.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/explain.hpp"
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

template <typename S>
class Run {
 public:
  Run(const GenerationJob& job, const RowSource& rows)
      : job_(job),
        rows_(rows),
        start_(Clock::now()),
        opened_(job),
        load_seconds_(seconds_since(start_)) {}

  int execute() {
    Output out(job_.output, job_.force);
    const bool several = opened_.config().num_return_sequences > 1;
    ResultWriter writer(out,
                        {.format = job_.format,
                         .list = job_.format == Format::json && (job_.batch || several),
                         .number_samples = several,
                         .echo = job_.echo},
                        opened_.tokenizer.get());
    const bool stream = job_.format == Format::text && !job_.batch && !several &&
                        opened_.tokenizer != nullptr && job_.stream.value_or(true);
    Explainer<S> explainer(opened_.tokenizer.get());
    const Generator<S> generator(*opened_.model, opened_.tokenizer.get(), run_options(explainer));
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
        opened_.config(),
        [&](GenerationResult&& result) {
          if (write_failure) std::rethrow_exception(write_failure);
          if (result.error && !job_.batch) throw Error(result.error->code, result.error->message);
          figures.add(result);
          writer.write(result);
        });
    writer.finish();
    out.finish();
    figures.show(opened_.config(), load_seconds_, seconds_since(begin));
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
    if (row.text) request = opened_.task.request(*row.text);
    request.id = std::move(row.id);
    request.ids = std::move(row.ids);
    request.add_special_tokens = job_.add_special_tokens;
    if (job_.echo)
      writer.add_prompt(request.text ? *request.text
                        : opened_.tokenizer == nullptr
                            ? std::string()
                            : opened_.tokenizer->decode(request.ids, {false}));
    request.error = row.error ? row.error : refusal(row, request);
    return request;
  }

  // Rows that cannot be done, with a sentence that tells the user of the command why.
  std::optional<RowError> refusal(const InputRow& row, const GenerationRequest& request) const {
    if (request.text && opened_.tokenizer == nullptr)
      return RowError{ErrorCode::invalid_input,
                      "the prompt is text, but " + quote(opened_.path.string()) +
                          " has no tokenizer; give token ids as \"ids\" of a row of --input"};
    if (row.text ? row.text->empty() : request.ids.empty())
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
  Clock::time_point start_;
  OpenedModel<S> opened_;
  double load_seconds_;
};

}  // namespace

int run_generation(const GenerationJob& job, const RowSource& rows) {
  return with_scalar(parse_precision(job.dtype),
                     [&](auto scalar) { return Run<decltype(scalar)>(job, rows).execute(); });
}

}  // namespace llm::shell
