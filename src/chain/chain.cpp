// Runs the steps of a chain in their order: templates are filled, models loaded when their first
// step comes, values handed out as they come.
#include "llm/chain/chain.hpp"

#include <algorithm>
#include <new>

#include "chain/chain_jobs.hpp"
#include "chain/repeat_step.hpp"
#include "chain/step_runner.hpp"
#include "core/float_environment.hpp"
#include "core/json.hpp"
#include "core/split.hpp"
#include "llm/core/error.hpp"
#include "llm/tasks/embed.hpp"

namespace llm {
namespace {

using detail::ChainJob;
using detail::ChainJobs;
using detail::ChainProgress;
using detail::StepContext;
using detail::StepOutcome;
using detail::StepParts;
using detail::StepRequest;
using detail::StepRunner;

constexpr std::size_t max_rows_bytes = std::size_t{1} << 30;
// What is asked of a step lies in memory in slices: a map may repeat a long text for each element.
constexpr std::size_t slice_bytes = std::size_t{16} << 20, slice_jobs = 4096;

// What is wrong with a step, with what it had for input.
std::string step_sentence(const PlannedStep& planned, std::size_t index, const std::string& input,
                          const std::string& what) {
  return "step " + quote(planned.step.name) +
         (index > 0 ? ", item " + std::to_string(index) + " of " + quote(planned.step.map)
                    : std::string()) +
         ", with the input " + quote(input, 60) + ": " + what;
}

// What a value takes in memory, about.
std::size_t bytes_of(const ChainValue& value) {
  std::size_t bytes = sizeof value + (value.text ? value.text->size() : 0);
  for (const ChainField& field : value.fields)
    bytes += sizeof field + field.name.size() + field.text.size();
  for (const ChainValue& item : value.items) bytes += bytes_of(item);
  return bytes;
}

}  // namespace

std::vector<ChainValue> read_chain_rows(const std::filesystem::path& file) {
  const std::string where = file.string();
  const std::string extension = file.extension().string();
  if (extension != ".jsonl" && extension != ".txt")
    throw Error(ErrorCode::unsupported,
                where +
                    ": rows are read from .jsonl and .txt files; for others give the chain a "
                    "function that reads them (ChainOptions::read_rows)",
                where);
  const std::string all = detail::read_file(file, max_rows_bytes);
  std::vector<ChainValue> rows;
  std::string_view text = all;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (extension == ".txt") {
      rows.push_back(ChainValue::of(std::string(line)));
    } else if (line.find_first_not_of(" \t") != std::string_view::npos) {
      rows.push_back(ChainValue::from_json(line, where + ", line " + std::to_string(number)));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return rows;
}

template <typename S>
ChainModel<S> load_chain_model(const PlannedModel& planned, const LoadOptions& options) {
  ChainModel<S> loaded;
  loaded.path = planned.source.path;
  if (planned.embeds) loaded.path = embedding_config(loaded.path).model_path;
  LoadOptions load = options;
  load.head = planned.head;
  if (planned.head == HeadKind::masked_lm) {
    const TransformerConfig config = read_model_config(loaded.path);
    const bool by_lm_head = config.fills_masks && config.head == HeadKind::language_model;
    if (config.kind == ModelKind::encoder_decoder && !by_lm_head)
      load.head.reset();  // T5 writes what stands in its gaps
  }
  if (planned.source.weights) load.weights = *planned.source.weights;
  load.adapters.insert(load.adapters.end(), planned.source.adapters.begin(),
                       planned.source.adapters.end());
  loaded.tokenizer = Tokenizer::open(loaded.path);
  loaded.model = Model<S>::load(loaded.path, load);
  loaded.path = planned.source.path;
  return loaded;
}

template <typename S>
struct Chain<S>::State {
  State(ChainDescription description, ChainOptions<S> given)
      : options(with_functions(std::move(given))), jobs(std::move(description), options.read_rows) {
    runners.resize(plan().steps().size());
    models.resize(plan().models().size());
  }

  static ChainOptions<S> with_functions(ChainOptions<S> options) {
    if (!options.read_rows) options.read_rows = read_chain_rows;
    if (!options.load_model)
      options.load_model = [load = options.load](const PlannedModel& model) {
        return load_chain_model<S>(model, load);
      };
    return options;
  }

  const ChainPlan& plan() const { return jobs.plan(); }
  bool is_interrupted() const { return options.interrupt != nullptr && *options.interrupt; }

  StepRunner<S>& runner(std::size_t number) {
    if (runners[number]) return *runners[number];
    const PlannedStep& planned = plan().steps()[number];
    const StepParts& part = jobs.parts(number);
    const std::size_t which = *planned.model;
    if (!models[which]) models[which] = options.load_model(plan().models()[which]);
    const StepContext context{.task = *part.task,
                              .step = planned.step,
                              .options = *part.options,
                              .batch_size = std::max<std::int64_t>(options.batch_size, 1),
                              .interrupt = options.interrupt,
                              .warn = options.on_warning};
    try {
      runners[number] = make_runner(context, *models[which], part);
    } catch (const Error& error) {
      throw detail::located(plan(), planned, error);
    }
    return *runners[number];
  }

  std::unique_ptr<StepRunner<S>> make_runner(const StepContext& context, const ChainModel<S>& model,
                                             const StepParts& part) const {
    if (context.task.name == "retrieve")
      return detail::make_retrieve_step<S>(context, model, part.rows);
    if (!context.task.generates) return detail::make_head_step<S>(context, model);
    std::vector<std::string> stops;
    if (part.few_shot) stops = part.few_shot->few_shot_template().stop();
    if (context.step.repeat) stops = context.step.repeat->until;
    auto step = detail::make_generation_step<S>(context, model, std::move(stops));
    if (!context.step.repeat) return step;
    return std::make_unique<detail::RepeatStep<S>>(std::move(step), *context.step.repeat);
  }

  // Models that no step at this place of the order or behind it needs.
  void release(std::size_t place) {
    for (std::size_t m = 0; m < models.size(); ++m) {
      const auto& users = plan().models()[m].steps;
      const auto& order = plan().order();
      const bool needed =
          std::any_of(order.begin() + static_cast<std::ptrdiff_t>(place), order.end(),
                      [&](std::size_t step) { return std::ranges::count(users, step) > 0; });
      if (needed) continue;
      for (const std::size_t step : users) runners[step].reset();
      models[m].reset();
    }
  }

  ChainOptions<S> options;
  ChainJobs jobs;
  std::vector<std::optional<ChainModel<S>>> models;
  std::vector<std::unique_ptr<StepRunner<S>>> runners;  // of steps; before models they die

  class Session;
};

// Some runs on their way through the steps.
template <typename S>
class Chain<S>::State::Session {
 public:
  Session(State& state, std::span<const ChainRun> runs, const OnResult& on_result)
      : state_(state),
        runs_(runs),
        on_result_(on_result),
        outcomes_(runs.size()),
        value_bytes_(runs.size()) {
    inputs_.reserve(runs.size());
    for (std::size_t r = 0; r < runs.size(); ++r) {
      inputs_.push_back(state_.jobs.with_defaults(runs[r].inputs));
      progress_.push_back({&inputs_[r], std::vector<ChainValue>(state_.plan().steps().size()),
                           detail::chain_prefix(runs[r].place)});
      try {
        state_.jobs.rehearse(runs[r]);
      } catch (const Error& error) {
        fail(r, error.code(), error.what());
      } catch (const std::bad_alloc&) {
        fail(r, ErrorCode::out_of_memory, detail::no_memory_for_run().message);
      }
    }
  }

  std::vector<ChainOutcome> run() {
    const auto& order = state_.plan().order();
    for (std::size_t place = 0; place < order.size(); ++place) {
      if (std::ranges::none_of(outcomes_, is_going_on)) break;
      run_step(order[place]);
      if (state_.options.release_models) state_.release(place + 1);
    }
    for (std::size_t r = 0; r < runs_.size(); ++r)
      outcomes_[r].values = std::move(progress_[r].values);
    return std::move(outcomes_);
  }

 private:
  static bool is_going_on(const ChainOutcome& outcome) {
    return !outcome.error && !outcome.interrupted;
  }

  void fail(std::size_t run, ErrorCode code, std::string message) {
    if (is_going_on(outcomes_[run])) outcomes_[run].error = RowError{code, std::move(message)};
  }

  void run_step(std::size_t number) {
    std::vector<ChainJob> slice;
    std::size_t bytes = 0;
    const std::uint64_t seed = seed_of(number);
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      if (!is_going_on(outcomes_[r])) continue;
      progress_[r].values[number].is_list = state_.plan().steps()[number].maps();
      try {
        state_.jobs.each(number, progress_[r], [&](ChainJob&& job) {
          job.run = r;
          job.request.seed =
              detail::value_seed(seed, runs_[r].row, job.index > 0 ? job.index - 1 : 0, 0);
          bytes += job.bytes();
          slice.push_back(std::move(job));
          if (bytes < slice_bytes && slice.size() < slice_jobs) return true;
          run_slice(number, std::exchange(slice, {}));
          bytes = 0;
          return is_going_on(outcomes_[r]);
        });
      } catch (const Error& error) {
        fail(r, error.code(),
             detail::located(state_.plan(), state_.plan().steps()[number], error).what());
      } catch (const std::bad_alloc&) {
        fail(r, ErrorCode::out_of_memory, detail::no_memory_for_run().message);
      }
    }
    run_slice(number, std::move(slice));
  }

  void run_slice(std::size_t number, std::vector<ChainJob> slice) {
    std::erase_if(slice, [this](const ChainJob& job) { return !is_going_on(outcomes_[job.run]); });
    const auto deliver = [&](std::size_t place, StepOutcome&& outcome) {
      take(number, slice[place], std::move(outcome));
    };
    const PlannedStep& planned = state_.plan().steps()[number];
    if (planned.model) {
      if (!slice.empty()) run_model(number, slice, deliver);
    } else {
      const bool interrupted = state_.is_interrupted();
      for (std::size_t i = 0; i < slice.size(); ++i)
        deliver(i, interrupted ? StepOutcome{.value = {}, .interrupted = true}
                               : StepOutcome{.value = plain_value(planned, slice[i])});
    }
  }

  // The step's own seed where its options give one.
  std::uint64_t seed_of(std::size_t number) const {
    for (const GenerationSetting& setting : state_.jobs.parts(number).options->settings())
      if (setting.name == "seed") return detail::to_number<std::uint64_t>(setting.value);
    return detail::step_seed(state_.options.seed, state_.plan().steps()[number].step.name);
  }

  template <typename Deliver>
  void run_model(std::size_t number, std::vector<ChainJob>& slice, const Deliver& deliver) {
    std::vector<StepRequest> requests;
    for (ChainJob& job : slice) requests.push_back(std::move(job.request));
    StepRunner<S>& runner = state_.runner(number);
    if (auto* const repeat = dynamic_cast<detail::RepeatStep<S>*>(&runner))
      repeat->set_on_round([&](std::size_t place, std::int64_t round, const ChainValue& value) {
        report(number, slice[place], round, value);
      });
    try {
      runner.run(requests, deliver);
    } catch (const Error& error) {  // an option that does not fit the model is the file's
      if (error.code() != ErrorCode::invalid_option) throw;
      const PlannedStep& planned = state_.plan().steps()[number];
      throw Error(ErrorCode::invalid_input, detail::located(state_.plan(), planned, error).what(),
                  error.subject());
    }
  }

  static ChainValue plain_value(const PlannedStep& planned, const ChainJob& job) {
    if (planned.step.task != "split") return ChainValue::of(job.input);
    std::vector<ChainValue> parts;
    for (std::string& part :
         detail::split_trimmed(job.input, planned.step.separator.value_or("\n")))
      parts.push_back(ChainValue::of(std::move(part)));
    return ChainValue::list(std::move(parts));
  }

  void report(std::size_t number, const ChainJob& job, std::int64_t round,
              const ChainValue& value) const {
    if (!on_result_ || outcomes_[job.run].error) return;
    on_result_({.run = job.run,
                .step = number,
                .index = job.index,
                .round = round,
                .input = job.input,
                .value = value});
  }

  void take(std::size_t number, const ChainJob& job, StepOutcome&& outcome) {
    const PlannedStep& planned = state_.plan().steps()[number];
    if (outcome.error)
      return fail(job.run, outcome.error->code,
                  step_sentence(planned, job.index, job.input, outcome.error->message));
    if (outcome.interrupted) {
      if (outcome.value.text || outcome.value.is_list)
        report(number, job, 0, outcome.value);  // as far as it got
      outcomes_[job.run].interrupted = !outcomes_[job.run].error;
      return;
    }
    ChainProgress& run = progress_[job.run];
    if (planned.step.task == "retrieve")
      outcome.value.text = state_.jobs.join(number, run, outcome.value.items);
    if (const StepParts& part = state_.jobs.parts(number); part.few_shot)
      outcome.value.fields.push_back({"shots", std::to_string(part.shots), true});
    report(number, job, 0, outcome.value);
    keep(number, job, std::move(outcome.value));
  }

  void keep(std::size_t number, const ChainJob& job, ChainValue&& value) {
    const PlannedStep& planned = state_.plan().steps()[number];
    value_bytes_[job.run] += bytes_of(value);
    const std::size_t most = state_.options.max_value_bytes;
    if (value_bytes_[job.run] > most)
      return fail(
          job.run, ErrorCode::invalid_input,
          progress_[job.run].place +
              step_sentence(planned, job.index, job.input,
                            "the values of all steps become larger than " +
                                std::to_string(most >> 20) +
                                " MiB together; "
                                "give the chain less at once, for example as rows of --input"));
    ChainValue& values = progress_[job.run].values[number];
    if (planned.maps()) {
      values.items.push_back(std::move(value));
    } else {
      values = std::move(value);
    }
  }

  State& state_;
  std::span<const ChainRun> runs_;
  const OnResult& on_result_;
  std::vector<ChainInputs> inputs_;
  std::vector<ChainProgress> progress_;
  std::vector<ChainOutcome> outcomes_;
  std::vector<std::size_t> value_bytes_;  // of each run
};

template <typename S>
Chain<S>::Chain(ChainDescription description, ChainOptions<S> options)
    : state_(std::make_unique<State>(std::move(description), std::move(options))) {}

template <typename S>
Chain<S> Chain<S>::from_file(const std::filesystem::path& file, ChainOptions<S> options) {
  return Chain(ChainDescription::read(file), std::move(options));
}

template <typename S>
Chain<S>::Chain(Chain&&) noexcept = default;
template <typename S>
Chain<S>& Chain<S>::operator=(Chain&&) noexcept = default;
template <typename S>
Chain<S>::~Chain() = default;

template <typename S>
const ChainPlan& Chain<S>::plan() const {
  return state_->plan();
}

template <typename S>
void Chain<S>::set_seed(std::uint64_t seed) {
  state_->options.seed = seed;
}

template <typename S>
void Chain<S>::check(const ChainRun& run) const {
  state_->jobs.rehearse(run);
}

template <typename S>
ChainOutcome Chain<S>::run(const ChainInputs& inputs, const OnResult& on_result) {
  const ChainRun one{inputs};
  ChainOutcome outcome = std::move(run_all(std::span(&one, 1), on_result).front());
  if (outcome.error) throw Error(outcome.error->code, outcome.error->message);
  return outcome;
}

template <typename S>
std::vector<ChainOutcome> Chain<S>::run_all(std::span<const ChainRun> runs,
                                            const OnResult& on_result) {
  const detail::FloatEnvironment environment;
  return typename State::Session(*state_, runs, on_result).run();
}

template class Chain<float>;
template class Chain<double>;
template ChainModel<float> load_chain_model(const PlannedModel&, const LoadOptions&);
template ChainModel<double> load_chain_model(const PlannedModel&, const LoadOptions&);

}  // namespace llm
