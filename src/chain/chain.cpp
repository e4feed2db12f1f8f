// Runs the steps of a chain in their order: templates are filled, models loaded when their first
// step comes, values handed out as they come.
#include "llm/chain/chain.hpp"

#include <algorithm>

#include "chain/chain_scope.hpp"
#include "chain/chain_tasks.hpp"
#include "chain/repeat_step.hpp"
#include "chain/step_runner.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/prompt/few_shot_builder.hpp"
#include "llm/tasks/embed.hpp"

namespace llm {
namespace {

using detail::bad_chain;
using detail::ChainProgress;
using detail::ChainScope;
using detail::ChainTask;
using detail::RetrieveRow;
using detail::StepContext;
using detail::StepOptions;
using detail::StepOutcome;
using detail::StepRequest;
using detail::StepRunner;

constexpr std::size_t max_rows_bytes = std::size_t{1} << 30;

// What a step has beside its templates.
struct StepParts {
  const ChainTask* task = nullptr;
  std::unique_ptr<StepOptions> options;
  std::optional<FewShotBuilder> few_shot;
  std::size_t shots = 0;
  std::vector<RetrieveRow> rows;
};

// One value to be made.
struct ChainJob {
  std::size_t run = 0;
  std::size_t index = 0;  // of a map step from 1, otherwise 0
  StepRequest request = {};
  std::string input = {};  // the main text
};

// What is wrong with a step, with what it had for input.
std::string step_sentence(const PlannedStep& planned, std::size_t index, const std::string& input,
                          const std::string& what) {
  return "step " + quote(planned.step.name) +
         (index > 0 ? ", item " + std::to_string(index) + " of " + quote(planned.step.map)
                    : std::string()) +
         ", with the input " + quote(input, 60) + ": " + what;
}

ChainValue without_items(const ChainTask& task) {
  ChainValue value;
  if (task.has_text) value.text.emplace();
  for (const std::string_view field : task.fields) value.fields.push_back({std::string(field), ""});
  return value;
}

FieldRow field_row(const ChainValue& value, std::string where) {
  FieldRow row{{}, std::move(where)};
  if (value.text) row.fields["text"] = *value.text;
  for (const ChainField& field : value.fields) row.fields[field.name] = field.text;
  return row;
}

// What is wrong with a file that a step names is wrong with the chain.
FewShotTemplate read_template(const ChainDescription& description, const ChainStep& step) {
  try {
    return FewShotTemplate::read(description.find_file(step.few_shot_template));
  } catch (const Error& error) {
    bad_chain(description.where + ", step " + quote(step.name), error.what());
  }
}

// Fields of a few-shot template that a step says nothing about are steps and inputs of their names,
// or fields of the element that the step is done for.
ChainDescription with_few_shot_fields(ChainDescription description) {
  for (ChainStep& step : description.steps) {
    if (step.task != "few-shot" || step.few_shot_template.empty()) continue;
    for (const std::string& field : read_template(description, step).query().field_names())
      if (std::ranges::count(step.texts, "fields." + field, &ChainSetting::name) == 0)
        step.texts.push_back(
            {"fields." + field, (step.map.empty() ? "{{" : "{{item.") + field + "}}"});
  }
  return description;
}

std::vector<ChainValue> split_text(std::string_view text, std::string_view separator) {
  std::vector<ChainValue> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view part = text.substr(0, end);
    const std::size_t first = part.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos)
      parts.push_back(ChainValue::of(
          std::string(part.substr(first, part.find_last_not_of(" \t\r\n") - first + 1))));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return parts;
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
      : plan(with_few_shot_fields(std::move(description))), options(std::move(given)) {
    if (!options.read_rows) options.read_rows = read_chain_rows;
    if (!options.load_model)
      options.load_model = [this](const PlannedModel& model) {
        return load_chain_model<S>(model, options.load);
      };
    parts.resize(plan.steps().size());
    runners.resize(plan.steps().size());
    models.resize(plan.models().size());
    for (std::size_t i = 0; i < parts.size(); ++i) prepare(i);
    read_default_inputs();
  }

  // --- before any run ---

  void prepare(std::size_t number) {
    const PlannedStep& planned = plan.steps()[number];
    StepParts& part = parts[number];
    part.task = detail::find_chain_task(planned.step.task);
    part.options =
        std::make_unique<StepOptions>(*part.task, planned.step, where(planned) + ", \"options\"");
    if (part.task->name == "few-shot") read_few_shot(planned, part);
    if (part.task->name == "retrieve") read_retrieved(planned, part);
  }

  std::string where(const PlannedStep& planned) const {
    return plan.description().where + ", step " + quote(planned.step.name);
  }

  std::vector<ChainValue> rows_of(const std::string& name, const std::string& whose) const {
    std::vector<ChainValue> rows = options.read_rows(plan.description().find_file(name));
    if (rows.empty()) bad_chain(whose, name + ": there are no rows in it");
    return rows;
  }

  void read_few_shot(const PlannedStep& planned, StepParts& part) const {
    const ChainStep& step = planned.step;
    FewShotTemplate few = read_template(plan.description(), step);
    std::vector<FieldRow> examples;
    if (!step.examples.empty())
      for (const ChainValue& row : rows_of(step.examples, where(planned)))
        examples.push_back(
            field_row(row, step.examples + ", example " + std::to_string(examples.size() + 1)));
    const StepOptions& given = *part.options;
    FewShotOptions choice;
    if (const auto name = given.text("select"))
      choice.selection = given.checked([&] { return selection_from_name(*name); });
    if (choice.selection == Selection::similar)
      bad_chain(given.where(), "\"select\": similar examples are what a retrieve step finds");
    choice.seed = static_cast<std::uint64_t>(given.integer("select_seed", 0).value_or(0));
    choice.label_field = given.text("label_field").value_or("");
    const auto all = static_cast<std::int64_t>(examples.size());
    const std::int64_t shots = given.integer("shots", 0).value_or(all);
    if (shots > all)
      bad_chain(given.where(), "\"shots\" is " + std::to_string(shots) + ", but there are only " +
                                   std::to_string(all) + " examples");
    part.shots = static_cast<std::size_t>(shots);
    part.few_shot.emplace(std::move(few), std::move(examples), std::move(choice));
    check_few_shot_fields(planned, part);
  }

  void check_few_shot_fields(const PlannedStep& planned, const StepParts& part) const {
    const std::vector<std::string> fields =
        part.few_shot->few_shot_template().query().field_names();
    const std::vector<std::string_view> known(fields.begin(), fields.end());
    constexpr std::size_t prefix = 7;  // "fields."
    for (const ChainSetting& text : planned.step.texts)
      if (std::ranges::count(fields, text.name.substr(prefix)) == 0)
        bad_chain(where(planned), "the template's \"query\" has no field " +
                                      quote(text.name.substr(prefix)) +
                                      detail::nearest_or_list(text.name.substr(prefix), known));
  }

  void read_retrieved(const PlannedStep& planned, StepParts& part) const {
    const std::string field = planned.step.field.empty() ? "text" : planned.step.field;
    std::vector<ChainValue> rows = rows_of(planned.step.file, where(planned));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string place = planned.step.file + ", row " + std::to_string(i + 1);
      const ChainField* const found = rows[i].find(field);
      const auto text = field == "text" ? rows[i].text
                        : found         ? std::optional(found->text)
                                        : std::nullopt;
      if (!text) {
        std::vector<std::string_view> names;
        if (rows[i].text) names.emplace_back("text");
        for (const ChainField& known : rows[i].fields) names.push_back(known.name);
        bad_chain(where(planned), place + ": the row has no text " + quote(field) +
                                      detail::nearest_or_list(field, names));
      }
      part.rows.push_back({std::move(rows[i]), *text, place});
    }
  }

  void read_default_inputs() {
    if (!plan.description().inputs) return;
    for (const ChainInput& input : *plan.description().inputs) {
      if (!input.file.empty()) {
        defaults[input.name] =
            ChainValue::list(rows_of(input.file, plan.description().where + ", \"inputs\""));
      } else if (input.value) {
        defaults[input.name] = *input.value;
      }
    }
  }

  // --- what a step is asked ---

  ChainInputs with_defaults(const ChainInputs& given) const {
    ChainInputs inputs = given;
    inputs.insert(defaults.begin(), defaults.end());
    return inputs;
  }

  // The elements of a list as the step's "each" says, with its "separator" between them.
  std::string join(const PlannedStep& planned, const ChainProgress& run,
                   const std::vector<ChainValue>& items, const std::string& origin) const {
    const std::string separator = planned.step.separator.value_or("\n");
    std::string text;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const ChainScope scope{.plan = plan,
                             .run = run,
                             .item = &items[i],
                             .number = i + 1,
                             .origin = origin,
                             .aligned = origin.empty() ? 0 : i + 1};
      text += (i == 0 ? "" : separator) + scope.fill(planned.each);
      scope.check_size(text.size());
    }
    return text;
  }

  // All that is asked of a step for one run. Throws Error about the inputs.
  std::vector<ChainJob> jobs_of(std::size_t number, const ChainProgress& run) const {
    const PlannedStep& planned = plan.steps()[number];
    ChainScope scope{.plan = plan, .run = run};
    if (planned.maps()) {
      const ChainValue& list = scope.list(planned.step.map);
      std::vector<ChainJob> jobs;
      scope.origin = planned.origin;
      for (std::size_t i = 0; i < list.items.size(); ++i) {
        scope.item = &list.items[i];
        scope.number = scope.aligned = i + 1;
        jobs.push_back(job(number, scope));
      }
      return jobs;
    }
    std::string items;
    if (!planned.step.reduce.empty()) {
      items = join(planned, run, scope.list(planned.step.reduce).items, planned.origin);
      scope.items = &items;
    }
    std::vector<ChainJob> jobs;
    jobs.push_back(job(number, scope));
    return jobs;
  }

  ChainJob job(std::size_t number, const ChainScope& scope) const {
    const PlannedStep& planned = plan.steps()[number];
    const StepParts& part = parts[number];
    ChainJob made{.index = scope.number};
    for (const auto& [name, text] : planned.texts) made.request.texts[name] = scope.fill(text);
    if (part.few_shot) {
      FieldRow query{{}, where(planned)};
      for (const auto& [name, text] : made.request.texts) query.fields[name.substr(7)] = text;
      made.request.texts = {
          {"prompt", part.few_shot->prompt(part.few_shot->choose(part.shots, query), query)}};
    }
    const std::string main = part.task->texts.empty() ? "prompt" : std::string(part.task->texts[0]);
    made.input = made.request.texts[main];
    return made;
  }

  // --- without models: what would be asked, with made-up answers ---

  ChainValue made_up_value(std::size_t number, const ChainProgress& run) const {
    const ChainTask& task = *parts[number].task;
    ChainValue value = without_items(task);
    if (!task.has_items) return value;
    value.is_list = true;
    if (task.name == "retrieve") {
      const auto count =
          static_cast<std::size_t>(parts[number].options->integer("top_k", 1).value_or(3));
      for (std::size_t i = 0; i < std::min(count, parts[number].rows.size()); ++i) {
        value.items.push_back(parts[number].rows[i].value);
        value.items.back().text = parts[number].rows[i].text;
        value.items.back().fields.push_back({"cosine", "0", true});
      }
      (void)join(plan.steps()[number], run, value.items, {});
      return value;
    }
    ChainValue item = ChainValue::of("");
    for (const std::string_view field : task.item_fields)
      item.fields.push_back({std::string(field), ""});
    value.items.push_back(std::move(item));
    return value;
  }

  // Throws Error about the inputs.
  void rehearse(const ChainRun& asked) const {
    const ChainInputs inputs = with_defaults(asked.inputs);
    check_known(inputs, asked.place);
    ChainProgress run{&inputs, std::vector<ChainValue>(plan.steps().size()), prefix(asked.place)};
    for (const std::size_t number : plan.order()) {
      const PlannedStep& planned = plan.steps()[number];
      std::vector<ChainJob> jobs;
      try {
        jobs = jobs_of(number, run);
      } catch (const Error& error) {
        const std::string step = where(planned), sentence = error.what();
        throw Error(error.code(),
                    sentence.find(step) == std::string::npos ? step + ": " + sentence : sentence);
      }
      ChainValue& value = run.values[number];
      if (!planned.maps()) {
        value = made_up_value(number, run);
        continue;
      }
      value.is_list = true;
      for (std::size_t i = 0; i < jobs.size(); ++i)
        value.items.push_back(made_up_value(number, run));
    }
  }

  static std::string prefix(const std::string& place) { return place.empty() ? "" : place + ": "; }

  void check_known(const ChainInputs& inputs, const std::string& place) const {
    if (!plan.description().inputs) return;
    for (const ChainInput& input : *plan.description().inputs)
      if (!inputs.contains(input.name) && uses(input.name))
        throw Error(ErrorCode::invalid_input, prefix(place) + "the input " + quote(input.name) +
                                                  " of " + plan.description().where +
                                                  " is not given");
  }

  bool uses(const std::string& input) const {
    for (const std::string& name : plan.inputs())
      if (name == input || name.starts_with(input + ".")) return true;
    return false;
  }

  // --- with models ---

  StepRunner<S>& runner(std::size_t number) {
    if (runners[number]) return *runners[number];
    const PlannedStep& planned = plan.steps()[number];
    const StepParts& part = parts[number];
    const std::size_t which = *planned.model;
    if (!models[which]) models[which] = options.load_model(plan.models()[which]);
    const StepContext context{.task = *part.task,
                              .step = planned.step,
                              .options = *part.options,
                              .batch_size = std::max<std::int64_t>(options.batch_size, 1),
                              .interrupt = options.interrupt,
                              .warn = options.on_warning};
    try {
      runners[number] = make_runner(context, *models[which], part);
    } catch (const Error& error) {
      const std::string_view sentence = error.what();
      if (sentence.starts_with(plan.description().where)) throw;
      throw Error(error.code(), where(planned) + ": " + std::string(sentence), error.subject());
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
      const auto& users = plan.models()[m].steps;
      const bool needed =
          std::any_of(plan.order().begin() + static_cast<std::ptrdiff_t>(place), plan.order().end(),
                      [&](std::size_t step) { return std::ranges::count(users, step) > 0; });
      if (needed) continue;
      for (const std::size_t step : users) runners[step].reset();
      models[m].reset();
    }
  }

  ChainPlan plan;
  ChainOptions<S> options;
  std::vector<StepParts> parts;
  ChainInputs defaults;
  std::vector<std::optional<ChainModel<S>>> models;
  std::vector<std::unique_ptr<StepRunner<S>>> runners;  // of steps; before models they die

  class Session;
};

// Some runs on their way through the steps.
template <typename S>
class Chain<S>::State::Session {
 public:
  Session(State& state, std::span<const ChainRun> runs, const OnResult& on_result)
      : state_(state), runs_(runs), on_result_(on_result), outcomes_(runs.size()) {
    inputs_.reserve(runs.size());
    for (std::size_t r = 0; r < runs.size(); ++r) {
      inputs_.push_back(state_.with_defaults(runs[r].inputs));
      progress_.push_back({&inputs_[r], std::vector<ChainValue>(state_.plan.steps().size()),
                           prefix(runs[r].place)});
      try {
        state_.rehearse(runs[r]);
      } catch (const Error& error) {
        fail(r, error.code(), error.what());
      }
    }
  }

  std::vector<ChainOutcome> run() {
    const auto& order = state_.plan.order();
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
    const PlannedStep& planned = state_.plan.steps()[number];
    const std::vector<ChainJob> jobs = collect(number);
    const auto deliver = [&](std::size_t place, StepOutcome&& outcome) {
      take(number, jobs[place], std::move(outcome));
    };
    if (planned.model) {
      if (!jobs.empty()) run_model(number, jobs, deliver);
    } else {
      for (std::size_t i = 0; i < jobs.size(); ++i)
        deliver(i, {.value = plain_value(planned, jobs[i])});
    }
  }

  std::vector<ChainJob> collect(std::size_t number) {
    const PlannedStep& planned = state_.plan.steps()[number];
    const std::uint64_t seed = seed_of(number);
    std::vector<ChainJob> all;
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      if (!is_going_on(outcomes_[r])) continue;
      progress_[r].values[number].is_list = planned.maps();
      try {
        for (ChainJob& job : state_.jobs_of(number, progress_[r])) {
          job.run = r;
          job.request.seed =
              detail::value_seed(seed, runs_[r].row, job.index > 0 ? job.index - 1 : 0, 0);
          all.push_back(std::move(job));
        }
      } catch (const Error& error) {
        fail(r, error.code(), error.what());
      }
    }
    return all;
  }

  // The step's own seed where its options give one.
  std::uint64_t seed_of(std::size_t number) const {
    for (const GenerationSetting& setting : state_.parts[number].options->settings())
      if (setting.name == "seed") return std::strtoull(setting.value.c_str(), nullptr, 10);
    return detail::step_seed(state_.options.seed, state_.plan.steps()[number].step.name);
  }

  template <typename Deliver>
  void run_model(std::size_t number, const std::vector<ChainJob>& jobs, const Deliver& deliver) {
    std::vector<StepRequest> requests;
    for (const ChainJob& job : jobs) requests.push_back(job.request);
    StepRunner<S>& runner = state_.runner(number);
    if (auto* const repeat = dynamic_cast<detail::RepeatStep<S>*>(&runner))
      repeat->set_on_round([&](std::size_t place, std::int64_t round, const ChainValue& value) {
        report(number, jobs[place], round, value);
      });
    runner.run(requests, deliver);
  }

  static ChainValue plain_value(const PlannedStep& planned, const ChainJob& job) {
    if (planned.step.task != "split") return ChainValue::of(job.input);
    return ChainValue::list(split_text(job.input, planned.step.separator.value_or("\n")));
  }

  void report(std::size_t number, const ChainJob& job, std::int64_t round,
              const ChainValue& value) const {
    if (!on_result_ || !is_going_on(outcomes_[job.run])) return;
    on_result_({.run = job.run,
                .step = number,
                .index = job.index,
                .round = round,
                .input = job.input,
                .value = value});
  }

  void take(std::size_t number, const ChainJob& job, StepOutcome&& outcome) {
    const PlannedStep& planned = state_.plan.steps()[number];
    if (outcome.error)
      return fail(job.run, outcome.error->code,
                  step_sentence(planned, job.index, job.input, outcome.error->message));
    if (outcome.interrupted) {
      outcomes_[job.run].interrupted = true;
      return;
    }
    ChainProgress& run = progress_[job.run];
    if (planned.step.task == "retrieve")
      outcome.value.text = state_.join(planned, run, outcome.value.items, {});
    if (state_.parts[number].few_shot)
      outcome.value.fields.push_back({"shots", std::to_string(state_.parts[number].shots), true});
    report(number, job, 0, outcome.value);
    if (planned.maps()) {
      run.values[number].items.push_back(std::move(outcome.value));
    } else {
      run.values[number] = std::move(outcome.value);
    }
  }

  State& state_;
  std::span<const ChainRun> runs_;
  const OnResult& on_result_;
  std::vector<ChainInputs> inputs_;
  std::vector<ChainProgress> progress_;
  std::vector<ChainOutcome> outcomes_;
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
  return state_->plan;
}

template <typename S>
void Chain<S>::set_seed(std::uint64_t seed) {
  state_->options.seed = seed;
}

template <typename S>
void Chain<S>::check(const ChainRun& run) const {
  state_->rehearse(run);
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
  return typename State::Session(*state_, runs, on_result).run();
}

template class Chain<float>;
template class Chain<double>;
template ChainModel<float> load_chain_model(const PlannedModel&, const LoadOptions&);
template ChainModel<double> load_chain_model(const PlannedModel&, const LoadOptions&);

}  // namespace llm
