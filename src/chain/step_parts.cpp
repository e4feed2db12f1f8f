#include "chain/step_parts.hpp"

#include <algorithm>

#include "llm/core/error.hpp"

namespace llm::detail {
namespace {

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

std::vector<ChainValue> rows_of(const ChainPlan& plan, const ReadRows& read_rows,
                                const std::string& name, const std::string& whose) {
  std::vector<ChainValue> rows = read_rows(plan.description().find_file(name));
  if (rows.empty()) bad_chain(whose, name + ": there are no rows in it");
  return rows;
}

// The few-shot prompts and the retrieved rows of one step.
class PartsReader {
 public:
  PartsReader(const ChainPlan& plan, const PlannedStep& planned, const ReadRows& read_rows)
      : plan_(plan), step_(planned.step), where_(where_step(plan, planned)), read_rows_(read_rows) {
    parts_.task = find_chain_task(step_.task);
    parts_.options = std::make_unique<StepOptions>(*parts_.task, step_, where_ + ", \"options\"");
  }

  StepParts read() {
    if (parts_.task->name == "few-shot") read_few_shot();
    if (parts_.task->name == "retrieve") read_retrieved();
    return std::move(parts_);
  }

 private:
  void read_few_shot() {
    FewShotTemplate few = read_template(plan_.description(), step_);
    std::vector<FieldRow> examples;
    if (!step_.examples.empty())
      for (const ChainValue& row : rows_of(plan_, read_rows_, step_.examples, where_))
        examples.push_back(
            field_row(row, step_.examples + ", example " + std::to_string(examples.size() + 1)));
    const auto all = static_cast<std::int64_t>(examples.size());
    const std::int64_t shots = parts_.options->integer("shots", 0).value_or(all);
    if (shots > all)
      bad_chain(parts_.options->where(), "\"shots\" is " + std::to_string(shots) +
                                             ", but there are only " + std::to_string(all) +
                                             " examples");
    parts_.shots = static_cast<std::size_t>(shots);
    parts_.few_shot.emplace(std::move(few), std::move(examples), few_shot_options());
    check_few_shot_fields();
  }

  FewShotOptions few_shot_options() const {
    const StepOptions& given = *parts_.options;
    FewShotOptions choice;
    if (const auto name = given.text("select"))
      choice.selection = given.checked([&] { return selection_from_name(*name); });
    if (choice.selection == Selection::similar)
      bad_chain(given.where(), "\"select\": similar examples are what a retrieve step finds");
    choice.seed = static_cast<std::uint64_t>(given.integer("select_seed", 0).value_or(0));
    choice.label_field = given.text("label_field").value_or("");
    return choice;
  }

  void check_few_shot_fields() const {
    const std::vector<std::string> fields =
        parts_.few_shot->few_shot_template().query().field_names();
    const std::vector<std::string_view> known(fields.begin(), fields.end());
    constexpr std::size_t prefix = 7;  // "fields."
    for (const ChainSetting& text : step_.texts)
      if (std::ranges::count(fields, text.name.substr(prefix)) == 0)
        bad_chain(where_, "the template's \"query\" has no field " +
                              quote(text.name.substr(prefix)) +
                              nearest_or_list(text.name.substr(prefix), known));
  }

  void read_retrieved() {
    const std::string field = step_.field.empty() ? "text" : step_.field;
    std::vector<ChainValue> rows = rows_of(plan_, read_rows_, step_.file, where_);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::string place = step_.file + ", row " + std::to_string(i + 1);
      const ChainField* const found = rows[i].find(field);
      const auto text = field == "text" ? rows[i].text
                        : found         ? std::optional(found->text)
                                        : std::nullopt;
      if (!text) {
        std::vector<std::string_view> names;
        if (rows[i].text) names.emplace_back("text");
        for (const ChainField& known : rows[i].fields) names.push_back(known.name);
        bad_chain(where_,
                  place + ": the row has no text " + quote(field) + nearest_or_list(field, names));
      }
      parts_.rows.push_back({std::move(rows[i]), *text, place});
    }
  }

  const ChainPlan& plan_;
  const ChainStep& step_;
  std::string where_;
  const ReadRows& read_rows_;
  StepParts parts_;
};

}  // namespace

std::string where_step(const ChainPlan& plan, const PlannedStep& planned) {
  return plan.description().where + ", step " + quote(planned.step.name);
}

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

StepParts read_step_parts(const ChainPlan& plan, const PlannedStep& planned,
                          const ReadRows& read_rows) {
  return PartsReader(plan, planned, read_rows).read();
}

ChainInputs read_default_inputs(const ChainPlan& plan, const ReadRows& read_rows) {
  ChainInputs defaults;
  if (!plan.description().inputs) return defaults;
  for (const ChainInput& input : *plan.description().inputs) {
    if (!input.file.empty()) {
      defaults[input.name] = ChainValue::list(
          rows_of(plan, read_rows, input.file, plan.description().where + ", \"inputs\""));
    } else if (input.value) {
      defaults[input.name] = *input.value;
    }
  }
  return defaults;
}

}  // namespace llm::detail
