#include "shell/chain_run.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/input.hpp"
#include "shell/model_path.hpp"
#include "shell/signals.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::shell {
namespace {

bool ends_in(const std::string& path, std::initializer_list<const char*> endings) {
  return std::ranges::any_of(endings, [&](const char* end) { return path.ends_with(end); });
}

OrderedJson field_json(const ChainField& field) {
  return field.is_json ? OrderedJson::parse(field.text) : OrderedJson(field.text);
}

// Writes one value after the other.
class ValueWriter {
 public:
  ValueWriter(const ChainPlan& plan, const ChainJob& job) : plan_(plan), all_(job.all) {
    for (const std::string& name : job.selected) selected_.push_back(plan.step(name));
    if (all_)
      for (std::size_t i = 0; i < plan.steps().size(); ++i) selected_.push_back(i);
    if (selected_.empty()) selected_.push_back(plan.steps().size() - 1);
  }

  bool writes(const ChainResult& result) const {
    return (all_ || result.round == 0) && std::ranges::count(selected_, result.step) > 0;
  }

  // Whether there may be more than one value.
  bool several() const {
    return selected_.size() > 1 || plan_.steps()[selected_[0]].maps() ||
           (all_ && plan_.steps()[selected_[0]].step.repeat);
  }

  std::vector<std::string> columns() const {
    std::vector<std::string> names = {"step", "index"};
    if (all_) names.insert(names.end(), {"round", "input"});
    names.emplace_back("text");
    for (const std::size_t step : selected_)
      for (const std::string& field : plan_.fields(step))
        if (std::ranges::count(names, field) == 0) names.push_back(field);
    names.emplace_back("items");
    return names;
  }

  OrderedJson fields(const ChainResult& result) const {
    OrderedJson fields = {{"step", plan_.steps()[result.step].step.name}};
    if (result.index > 0) fields["index"] = result.index;
    if (result.round > 0) fields["round"] = result.round;
    if (all_) fields["input"] = result.input;
    if (result.value.text) fields["text"] = *result.value.text;
    for (const ChainField& field : result.value.fields)
      if (!fields.contains(field.name)) fields[field.name] = field_json(field);
    if (result.value.text) return fields;
    OrderedJson& items = fields["items"] = OrderedJson::array();
    for (const ChainValue& item : result.value.items)
      items.push_back(OrderedJson::parse(item.to_json()));
    return fields;
  }

  // For a row whose list has no elements.
  OrderedJson nothing() const {
    return {{"step", plan_.steps()[selected_[0]].step.name}, {"items", OrderedJson::array()}};
  }

  std::string text(const OrderedJson& fields) const {
    std::string text;
    if (selected_.size() > 1 || all_) {
      text = fields["step"].get<std::string>();
      for (const char* name : {"index", "round"})
        if (const auto number = fields.find(name); number != fields.end())
          text += " " + number->dump();
      text += ": ";
    }
    if (const auto own = fields.find("text"); own != fields.end())
      return text + own->get<std::string>();
    const OrderedJson& items = fields["items"];
    for (std::size_t i = 0; i < items.size(); ++i)
      text += (i == 0 ? "" : "\n") +
              (items[i].is_object() ? items[i].value("text", "") : items[i].get<std::string>());
    return text;
  }

 private:
  const ChainPlan& plan_;
  bool all_;
  std::vector<std::size_t> selected_;
};

template <typename S>
class ChainRunner {
 public:
  explicit ChainRunner(const ChainJob& job)
      : job_(job), chain_(job.description, options()), writer_(chain_.plan(), job) {
    if (job.rows.single) chain_.check({job.inputs, 0, ""});
  }

  int execute() {
    const TextForm text = [this](const Row&, const OrderedJson& fields) {
      return writer_.text(fields);
    };
    RowRun run(job_.rows, writer_.columns(), text, writer_.several());
    begin(run);
    while (!interrupt_flag()) {
      std::vector<Row> rows;
      constexpr std::size_t most_bytes = std::size_t{16} << 20;  // of rows together
      for (std::size_t bytes = 0;
           bytes < most_bytes && rows.size() < static_cast<std::size_t>(job_.rows.batch_size);) {
        std::optional<Row> row = run.next();
        if (!row) break;
        bytes += row->bytes;
        rows.push_back(std::move(*row));
      }
      if (rows.empty() || !run_group(run, rows)) break;
    }
    return run.finish();
  }

 private:
  ChainOptions<S> options() const {
    return {.seed = 0,
            .batch_size = job_.rows.batch_size,
            .load = job_.load,
            .read_rows = chain_rows,
            .release_models = job_.rows.single.has_value(),
            .interrupt = &interrupt_flag(),
            .on_warning = [](const std::string& text) { console().warning(text); }};
  }

  void begin(const RowRun& run) {
    const std::uint64_t seed = job_.seed.value_or(run.seed());
    chain_.set_seed(seed);
    console().detail("seed = " + std::to_string(seed));
    for (const PlannedModel& model : chain_.plan().models())
      console().detail("model " + model.name + " = " + model.source.path);
  }

  ChainRun inputs_of(const Row& row) const {
    ChainRun run{job_.inputs, row.stream(), row.place};
    if (job_.rows.single) return {job_.inputs, 0, ""};
    for (const auto& [name, value] : row.fields.items()) {
      if (value.is_null()) continue;
      ChainValue own = ChainValue::from_json(dump(value), row.place);
      if (const auto more = job_.added.find(name); more != job_.added.end() && own.is_list) {
        own.items.insert(own.items.end(), more->second.items.begin(), more->second.items.end());
        run.inputs.insert_or_assign(name, std::move(own));
      } else {
        run.inputs.emplace(name, std::move(own));
      }
    }
    return run;
  }

  // Why the row cannot be a run.
  std::optional<RowError> add_run(const Row& row, std::vector<ChainRun>& runs) const {
    try {
      runs.push_back(inputs_of(row));
      return std::nullopt;
    } catch (const std::bad_alloc&) {
      return no_memory();
    }
  }

  // False when a signal came. Rows of a file that are not done are then left to the run that
  // resumes this one; of a single row there is what it has got to.
  bool run_group(RowRun& run, const std::vector<Row>& rows) {
    std::vector<ChainRun> runs;
    std::vector<std::optional<std::size_t>>
        places;  // indices of rows in `runs`; nullopt: the row has an error
    std::vector<std::optional<RowError>> errors;
    for (const Row& row : rows) {
      errors.push_back(row.error ? row.error : add_run(row, runs));
      places.emplace_back(errors.back() ? std::nullopt : std::optional(runs.size() - 1));
    }
    std::vector<std::vector<OrderedJson>> values(runs.size());
    std::vector<OrderedJson> streamed;
    const std::vector<ChainOutcome> outcomes = chain_.run_all(runs, [&](const ChainResult& result) {
      if (!writer_.writes(result)) return;
      if (streams()) {
        run.stream(bytes_of(rows[0], streamed.emplace_back(writer_.fields(result))));
        return;
      }
      values[result.run].push_back(writer_.fields(result));
    });
    if (job_.rows.single) return write_single(run, outcomes[0], streamed, std::move(values[0]));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!places[i]) {
        run.write(*errors[i]);
        continue;
      }
      const ChainOutcome& outcome = outcomes[*places[i]];
      if (outcome.interrupted) {
        run.stop();
        return false;
      }
      if (outcome.error) {
        run.write(*outcome.error);
        continue;
      }
      std::vector<OrderedJson>& written = values[*places[i]];
      if (written.empty()) written.push_back(writer_.nothing());
      run.write(std::move(written));
    }
    return true;
  }

  // The only row: keeps what there is before an error or a signal.
  bool write_single(RowRun& run, const ChainOutcome& outcome,
                    const std::vector<OrderedJson>& streamed, std::vector<OrderedJson> values) {
    const bool is_whole = !outcome.error && !outcome.interrupted;
    const bool is_something = !streamed.empty() || !values.empty();
    if (streams()) {
      run.written(streamed);
    } else if (is_whole || is_something) {
      run.write(std::move(values));
    }
    if (!outcome.error) return true;
    if (is_something) (void)run.finish();
    throw Error(outcome.error->code, outcome.error->message);
  }

  // Whether values are written as soon as they are there.
  bool streams() const {
    return job_.rows.single &&
           (job_.rows.format == Format::jsonl || job_.rows.format == Format::text);
  }

  std::string bytes_of(const Row& row, const OrderedJson& fields) const {
    RowWriter writer(
        {.format = job_.rows.format,
         .columns = writer_.columns(),
         .text = [this](const Row&, const OrderedJson& all) { return writer_.text(all); }},
        0);
    return writer.bytes(row, RowResult(fields));
  }

  const ChainJob& job_;
  Chain<S> chain_;
  ValueWriter writer_;
};

// As named, or beside the chain's file. Throws Error.
std::string path_of_model(const ChainDescription& description, const std::string& name) {
  std::error_code failed;
  const std::filesystem::path beside = description.find_file(name);
  const bool is_beside =
      !std::filesystem::exists(name, failed) && std::filesystem::exists(beside, failed);
  const std::filesystem::path model = find_model(is_beside ? beside.string() : name);
  const std::filesystem::path canonical = std::filesystem::canonical(model, failed);
  return (failed ? model : canonical).string();
}

}  // namespace

std::vector<ChainValue> chain_rows(const std::filesystem::path& file) {
  RowReader reader(file.string(), {.format = input_format_of(file.string())});
  std::vector<ChainValue> rows;
  while (const std::optional<Row> row = reader.next()) {
    if (row->error) throw Error(row->error->code, row->error->message, file.string());
    rows.push_back(ChainValue::from_json(dump(row->fields), row->place));
  }
  check_not_interrupted();
  return rows;
}

ChainValue chain_text(std::string text, const std::string& place) {
  if (const auto bad = detail::find_invalid_utf8(text))
    bad_input(place, "is not UTF-8 at byte " + std::to_string(*bad + 1));
  return ChainValue::of(std::move(text));
}

ChainValue chain_value_of_flag(const std::string& text, const std::string& place) {
  if (!text.starts_with('@')) return chain_text(text, place);
  const std::string path = text.substr(1);
  if (path.empty())
    throw Error(ErrorCode::invalid_option, place + ": expected the name of a file behind @", place);
  if (ends_in(path, {".jsonl", ".csv", ".tsv"})) {
    std::vector<ChainValue> rows = chain_rows(path);
    if (rows.empty()) bad_input(path, "there are no rows in it");
    return ChainValue::list(std::move(rows));
  }
  const std::string content = read_input(path);
  if (path.ends_with(".json")) return ChainValue::from_json(content, path);
  return chain_text(without_last_newline(content), path);
}

void choose_chain_models(ChainDescription& description,
                         const std::map<std::string, std::string>& named, bool missing_are_errors) {
  std::vector<std::string_view> names;
  for (const auto& [name, source] : description.models) names.push_back(name);
  for (const auto& [name, path] : named) {
    if (name.empty()) {
      description.default_model = path;
      continue;
    }
    const auto found = description.models.find(name);
    if (found == description.models.end()) {
      const std::string_view nearest = nearest_name(name, names.data(), names.size());
      throw Error(ErrorCode::invalid_option,
                  "--use " + quote(name + "=" + path) + ": " + description.where +
                      " has no model of this name in \"models\"" +
                      (nearest.empty() ? "" : "; did you mean " + quote(nearest) + "?"),
                  "--use");
    }
    found->second.path = path;
  }
  // The paths by which models were named, with the paths where they are.
  std::map<std::string, std::string> found;
  const ChainPlan plan(description);
  for (const PlannedModel& model : plan.models()) {
    try {
      found[model.source.path] = path_of_model(description, model.source.path);
    } catch (const Error& error) {
      if (missing_are_errors) throw;
      console().warning(error.what());
    }
  }
  for (const ChainStep& step : description.steps)
    for (const std::string& name : {step.model, description.default_model})
      if (!name.empty()) description.models.emplace(name, ChainModelSource{.path = name});
  for (auto& [name, source] : description.models)
    if (const auto path = found.find(source.path); path != found.end()) source.path = path->second;
}

OrderedJson plan_json(const ChainPlan& plan) {
  OrderedJson steps = OrderedJson::array();
  for (const std::size_t number : plan.order()) {
    const PlannedStep& planned = plan.steps()[number];
    OrderedJson step = {{"step", planned.step.name}, {"task", planned.step.task}};
    if (planned.model) step["model"] = plan.models()[*planned.model].name;
    if (planned.maps()) step["map"] = planned.step.map;
    if (!planned.step.reduce.empty()) step["reduce"] = planned.step.reduce;
    OrderedJson& uses = step["uses"] = OrderedJson::array();
    for (const std::size_t needed : planned.needs) uses.push_back(plan.steps()[needed].step.name);
    step["inputs"] = planned.inputs;
    for (const ChainSetting& text : planned.step.texts) step["texts"][text.name] = text.value;
    if (planned.step.each) step["each"] = *planned.step.each;
    if (planned.step.separator) step["separator"] = *planned.step.separator;
    for (const ChainSetting& option : planned.step.options)
      step["options"][option.name] = OrderedJson::parse(option.value);
    steps.push_back(std::move(step));
  }
  OrderedJson models = OrderedJson::array();
  for (const PlannedModel& model : plan.models()) {
    OrderedJson users = OrderedJson::array();
    for (const std::size_t step : model.steps) users.push_back(plan.steps()[step].step.name);
    models.push_back({{"name", model.name}, {"path", model.source.path}, {"steps", users}});
  }
  return {{"steps", std::move(steps)}, {"models", std::move(models)}, {"inputs", plan.inputs()}};
}

int run_chain_job(const ChainJob& job) {
  return with_scalar(job.precision,
                     [&](auto scalar) { return ChainRunner<decltype(scalar)>(job).execute(); });
}

}  // namespace llm::shell
