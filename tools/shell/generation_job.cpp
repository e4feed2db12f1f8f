#include "shell/generation_job.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <new>
#include <utility>

#include "llm/generation/generator.hpp"
#include "llm/generation/scorer.hpp"
#include "shell/console.hpp"
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

// Numbers of a run, for -v.
struct Figures {
  std::int64_t prompt_tokens = 0, new_tokens = 0, sequences = 0, longest_prompt = 0;
  std::uint64_t seed = 0;

  void add(const GenerationResult& result) {
    if (result.error) return;
    ++sequences;
    longest_prompt = std::max(longest_prompt, result.prompt_tokens);
    if (result.sample == 0) prompt_tokens += result.prompt_tokens;
    new_tokens += result.new_tokens;
    seed = result.seed;
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

// What is written with a request's results: fields in front, and its prompt.
struct Expected {
  OrderedJson fields;
  std::string prompt;
  bool last = true;  // of its row
};

// Turns what the generator gives, request by request and sample by sample, into results of rows.
class Collector {
 public:
  Collector(RowRun& run, const GenerationLayout& layout, std::int64_t samples,
            const Tokenizer* tokenizer)
      : run_(run), layout_(layout), samples_(samples), tokenizer_(tokenizer) {}

  // The next request handed to the generator.
  void expect(Expected expected) { expected_.push_back(std::move(expected)); }

  void add(const GenerationResult& result) {
    // A result that was cut short is computed again when the run is resumed.
    if (result.finish_reason == FinishReason::interrupted && run_.resumable()) run_.stop();
    const Expected& expected = expected_.front();
    if (result.error && expected.last && results_.empty()) {
      error_ = result.error;
    } else {
      OrderedJson fields = expected.fields;
      fields.update(result.error ? to_fields(*result.error)
                                 : to_fields(result, expected.prompt, layout_, tokenizer_));
      results_.push_back(std::move(fields));
    }
    if (result.error || result.sample + 1 == samples_) finish_request();
  }

 private:
  void finish_request() {
    const bool last = expected_.front().last;
    expected_.pop_front();
    if (!last) return;
    if (error_) {
      run_.write(*std::exchange(error_, std::nullopt));
    } else {
      run_.write(std::exchange(results_, {}));
    }
  }

  RowRun& run_;
  GenerationLayout layout_;
  std::int64_t samples_;
  const Tokenizer* tokenizer_;
  std::deque<Expected> expected_;     // requests that do not have all their results yet
  std::vector<OrderedJson> results_;  // of the row
  std::optional<RowError> error_;     // in place of results
};

template <typename S>
class Run {
 public:
  Run(const GenerationJob& job, const PromptPlan& plan)
      : job_(job),
        plan_(plan),
        start_(Clock::now()),
        opened_(job),
        load_seconds_(seconds_since(start_)) {
    read_shared();
  }

  int execute() {
    const GenerationConfig& config = opened_.config();
    const bool samples = config.num_return_sequences > 1;
    const bool several = samples || plan_.count > 1;
    const GenerationLayout layout{.first = plan_.columns,
                                  .sample = samples,
                                  .prompt = job_.echo,
                                  .score = config.num_beams > 1,
                                  .logprobs = job_.logprobs > 0};
    const TextForm text = [this](const Row&, const OrderedJson& fields) {
      return to_text(fields, opened_.tokenizer != nullptr);
    };
    RowRun run(job_.rows, layout.columns(), text, several);
    if (!config.seed) opened_.task.config.seed = run.seed();
    streams_ = job_.rows.format == Format::text && !job_.rows.batch() && !several &&
               opened_.tokenizer != nullptr && job_.stream.value_or(true);
    Collector collector(run, layout, config.num_return_sequences, opened_.tokenizer.get());
    const Clock::time_point begin = Clock::now();
    const Figures figures = generate(run, collector);
    const int code = run.finish();
    figures.show(config, load_seconds_, seconds_since(begin));
    warn_of_long_texts(figures.longest_prompt);
    return code;
  }

 private:
  // The beginning of all prompts is computed here, once for all of them.
  void read_shared() {
    const Tokenizer* const tokenizer = opened_.tokenizer.get();
    if (plan_.shared.empty() || tokenizer == nullptr || opened_.model->is_encoder_decoder()) return;
    std::vector<TokenId> ids =
        tokenizer->encode(plan_.shared, {.add_special_tokens = job_.add_special_tokens}).ids;
    const auto most = static_cast<std::size_t>(opened_.model->max_length().value_or(INT64_MAX));
    ids.resize(std::min(ids.size(), most));
    shared_ = Scorer<S>(*opened_.model).read(ids);
  }

  // Encoders without a limit (T5) were still made for some length.
  void warn_of_long_texts(std::int64_t longest) const {
    if (!opened_.tokenizer || !opened_.model->is_encoder_decoder()) return;
    const auto usual = opened_.tokenizer->max_length();
    if (!usual || longest <= *usual) return;
    console().warning("a text has " + std::to_string(longest) + " tokens, more than the " +
                      std::to_string(*usual) +
                      " that the model was made for (model_max_length of its tokenizer)");
  }

  Figures generate(RowRun& run, Collector& collector) {
    Figures figures;
    std::exception_ptr write_failure;
    Explainer<S> explainer(opened_.tokenizer.get());
    const Generator<S> generator(*opened_.model, opened_.tokenizer.get(), run_options(explainer));
    generator.run([&] { return next_request(run, collector, write_failure); }, opened_.config(),
                  [&](GenerationResult&& result) {
                    if (write_failure) std::rethrow_exception(write_failure);
                    figures.add(result);
                    collector.add(result);
                  });
    return figures;
  }

  RunOptions<S> run_options(Explainer<S>& explainer) const {
    RunOptions<S> options;
    options.batch_size = job_.rows.batch_size;
    options.overflow = overflow_from_name(job_.overflow);
    options.max_input_tokens = job_.max_input_tokens;
    options.logprobs = job_.logprobs;
    options.interrupt = &interrupt_flag();
    options.observer = job_.explain ? &explainer : nullptr;
    options.prefix = shared_.state ? &shared_ : nullptr;
    return options;
  }

  std::optional<GenerationRequest> next_request(RowRun& run, Collector& collector,
                                                std::exception_ptr& write_failure) {
    if (waiting_.empty()) {
      const std::optional<Row> row = run.next();
      if (!row || !make_requests(*row)) return std::nullopt;
    }
    auto [request, fields] = std::move(waiting_.front());
    waiting_.pop_front();
    std::string prompt = job_.echo ? prompt_of(request) : std::string();
    if (streams_) request.on_text = stream_to(run, prompt, write_failure);
    collector.expect({std::move(fields), std::move(prompt), waiting_.empty()});
    return std::move(request);
  }

  // The requests of a row; for a row that cannot be done, one with its error. False when the user
  // ends the run meanwhile.
  bool make_requests(const Row& row) {
    GenerationRequest request;
    request.row = opened_.config().do_sample ? row.stream() : row.number;
    request.add_special_tokens = job_.add_special_tokens;
    request.error = row.error;
    try {
      if (!row.error && !plan_.make && row.texts.empty()) {
        request.ids = token_ids(row);
        request.error = refusal(request, request.ids.empty());
      } else if (!row.error) {
        for (RowPrompt& prompt : prompts_of(row)) {
          GenerationRequest one = request;
          const GenerationRequest asked = opened_.task.request(prompt.text);
          one.text = asked.text;
          one.language = asked.language;
          one.error = refusal(one, prompt.text.empty());
          waiting_.emplace_back(std::move(one), std::move(prompt.fields));
        }
        return true;
      }
    } catch (const Error& error) {
      waiting_.clear();
      if (error.code() == ErrorCode::interrupted) return false;
      request.error = RowError{error.code(), error.what()};
    } catch (const std::bad_alloc&) {
      waiting_.clear();
      request.text.reset();
      request.ids.clear();
      request.error = no_memory();
    }
    waiting_.emplace_back(std::move(request), OrderedJson::object());
    return true;
  }

  std::vector<RowPrompt> prompts_of(const Row& row) const {
    if (!plan_.make) return {RowPrompt{row.texts[0]}};
    return plan_.make(
        row, prompt_room<S>(*opened_.model, opened_.tokenizer.get(), job_.add_special_tokens,
                            opened_.config().max_new_tokens.value_or(1)));
  }

  std::string prompt_of(const GenerationRequest& request) const {
    if (request.text) return *request.text;
    return opened_.tokenizer == nullptr ? std::string()
                                        : opened_.tokenizer->decode(request.ids, {false});
  }

  // For rows that cannot be done: a sentence that tells the user of the command why.
  std::optional<RowError> refusal(const GenerationRequest& request, bool empty) const {
    if (request.text && opened_.tokenizer == nullptr)
      return RowError{ErrorCode::invalid_input,
                      "the prompt is text, but " + quote(opened_.path.string()) +
                          " has no tokenizer; give token ids as \"ids\" of a row of --input"};
    if (empty)
      return RowError{ErrorCode::invalid_input, "the prompt is empty; give at least one character"};
    return std::nullopt;
  }

  // Writes pieces after `prompt`. Ends the row when nobody reads any more, and remembers why.
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
  const PromptPlan& plan_;
  Clock::time_point start_;
  OpenedModel<S> opened_;
  double load_seconds_ = 0;
  KeptSequence<S> shared_;
  bool streams_ = false;
  std::deque<std::pair<GenerationRequest, OrderedJson>> waiting_;  // of the current row
};

}  // namespace

std::int64_t PromptRoom::tokens(const std::string& text) const {
  if (tokenizer == nullptr) return 0;
  const auto encoding = tokenizer->encode(
      text, {.add_special_tokens = add_special_tokens, .interrupt = &interrupt_flag()});
  return static_cast<std::int64_t>(encoding.ids.size());
}

int run_generation(const GenerationJob& job, const PromptMaker& prompt) {
  PromptPlan plan;
  plan.make = [&prompt](const Row& row, const PromptRoom&) {
    return std::vector<RowPrompt>{RowPrompt{prompt(row)}};
  };
  return run_generation(job, plan);
}

int run_generation(const GenerationJob& job, const PromptPlan& plan) {
  return with_scalar(parse_precision(job.dtype),
                     [&](auto scalar) { return Run<decltype(scalar)>(job, plan).execute(); });
}

}  // namespace llm::shell
