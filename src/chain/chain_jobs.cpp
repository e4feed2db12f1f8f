#include "chain/chain_jobs.hpp"

#include <algorithm>

namespace llm::detail {
namespace {

ChainValue without_items(const ChainTask& task) {
  ChainValue value;
  if (task.has_text) value.text.emplace();
  for (const std::string_view field : task.fields) value.fields.push_back({std::string(field), ""});
  return value;
}

}  // namespace

std::string chain_prefix(const std::string& place) { return place.empty() ? "" : place + ": "; }

Error located(const ChainPlan& plan, const PlannedStep& planned, const Error& error) {
  const std::string where = where_step(plan, planned), sentence = error.what();
  const bool named = sentence.find(where) != std::string::npos;
  return Error(error.code(), named ? sentence : where + ": " + sentence, error.subject());
}

std::size_t ChainJob::bytes() const {
  std::size_t bytes = input.size();
  for (const auto& [name, text] : request.texts) bytes += name.size() + text.size();
  return bytes;
}

ChainJobs::ChainJobs(ChainDescription description, const ReadRows& read_rows)
    : plan_(with_few_shot_fields(std::move(description))) {
  for (const PlannedStep& planned : plan_.steps())
    parts_.push_back(read_step_parts(plan_, planned, read_rows));
  defaults_ = read_default_inputs(plan_, read_rows);
}

ChainInputs ChainJobs::with_defaults(const ChainInputs& given) const {
  ChainInputs inputs = given;
  inputs.insert(defaults_.begin(), defaults_.end());
  return inputs;
}

std::string ChainJobs::join(std::size_t step, const ChainProgress& run,
                            const std::vector<ChainValue>& items, const std::string& origin) const {
  const PlannedStep& planned = plan_.steps()[step];
  const std::string separator = planned.step.separator.value_or("\n");
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ChainScope scope{.plan = plan_,
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

void ChainJobs::each(std::size_t step, const ChainProgress& run,
                     const std::function<bool(ChainJob&&)>& take) const {
  const PlannedStep& planned = plan_.steps()[step];
  ChainScope scope{.plan = plan_, .run = run};
  if (planned.maps()) {
    const ChainValue& list = scope.list(planned.step.map);
    scope.origin = planned.origin;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      scope.item = &list.items[i];
      scope.number = scope.aligned = i + 1;
      if (!take(job(step, scope))) return;
    }
    return;
  }
  std::string items;
  if (!planned.step.reduce.empty()) {
    items = join(step, run, scope.list(planned.step.reduce).items, planned.origin);
    scope.items = &items;
  }
  (void)take(job(step, scope));
}

ChainJob ChainJobs::job(std::size_t step, const ChainScope& scope) const {
  const PlannedStep& planned = plan_.steps()[step];
  const StepParts& part = parts_[step];
  ChainJob made{.index = scope.number};
  for (const auto& [name, text] : planned.texts) made.request.texts[name] = scope.fill(text);
  if (part.few_shot) {
    FieldRow query{{}, where_step(plan_, planned)};
    for (const auto& [name, text] : made.request.texts) query.fields[name.substr(7)] = text;
    made.request.texts = {
        {"prompt", part.few_shot->prompt(part.few_shot->choose(part.shots, query), query)}};
  }
  const std::string main = part.task->texts.empty() ? "prompt" : std::string(part.task->texts[0]);
  made.input = made.request.texts[main];
  return made;
}

ChainValue ChainJobs::made_up_value(std::size_t step, const ChainProgress& run) const {
  const StepParts& part = parts_[step];
  const ChainTask& task = *part.task;
  ChainValue value = without_items(task);
  if (!plan_.steps()[step].has_items) return value;
  value.is_list = true;
  if (task.name == "retrieve") {
    const auto count = static_cast<std::size_t>(part.options->integer("top_k", 1).value_or(3));
    for (std::size_t i = 0; i < std::min(count, part.rows.size()); ++i) {
      value.items.push_back(part.rows[i].value);
      value.items.back().text = part.rows[i].text;
      value.items.back().fields.push_back({"cosine", "0", true});
    }
    (void)join(step, run, value.items);
    return value;
  }
  ChainValue item = ChainValue::of("");
  for (const std::string_view field : item_fields(task, plan_.steps()[step].step))
    item.fields.push_back({std::string(field), ""});
  value.items.push_back(std::move(item));
  return value;
}

void ChainJobs::rehearse(const ChainRun& asked) const {
  const ChainInputs inputs = with_defaults(asked.inputs);
  check_known(inputs, asked.place);
  ChainProgress run{&inputs, std::vector<ChainValue>(plan_.steps().size()),
                    chain_prefix(asked.place)};
  for (const std::size_t step : plan_.order()) {
    const PlannedStep& planned = plan_.steps()[step];
    std::size_t count = 0;
    try {
      each(step, run, [&count](ChainJob&&) { return ++count > 0; });
    } catch (const Error& error) {
      throw located(plan_, planned, error);
    }
    ChainValue& value = run.values[step];
    if (!planned.maps()) {
      value = made_up_value(step, run);
      continue;
    }
    value.is_list = true;
    value.items.assign(count, count > 0 ? made_up_value(step, run) : ChainValue());
  }
}

void ChainJobs::check_known(const ChainInputs& inputs, const std::string& place) const {
  if (!plan_.description().inputs) return;
  for (const ChainInput& input : *plan_.description().inputs)
    if (!inputs.contains(input.name) && uses(input.name))
      throw Error(ErrorCode::invalid_input, chain_prefix(place) + "the input " + quote(input.name) +
                                                " of " + plan_.description().where +
                                                " is not given");
}

bool ChainJobs::uses(const std::string& input) const {
  for (const std::string& name : plan_.inputs())
    if (name == input || name.starts_with(input + ".")) return true;
  return false;
}

}  // namespace llm::detail
