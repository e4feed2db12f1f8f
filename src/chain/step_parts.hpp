// What a step has beside its templates: its options, and what its files hold. Read before any run.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chain/chain_tasks.hpp"
#include "chain/step_options.hpp"
#include "llm/chain/chain_plan.hpp"
#include "llm/prompt/few_shot_builder.hpp"

namespace llm::detail {

// A row of a retrieve step's file: its values, and what is embedded of it.
struct RetrieveRow {
  ChainValue value;
  std::string text;
  std::string place;
};

struct StepParts {
  const ChainTask* task = nullptr;
  std::unique_ptr<StepOptions> options;
  std::optional<FewShotBuilder> few_shot;
  std::size_t shots = 0;
  std::vector<RetrieveRow> rows;
};

// ChainOptions::read_rows
using ReadRows = std::function<std::vector<ChainValue>(const std::filesystem::path&)>;

// "news.json, step "a"".
std::string where_step(const ChainPlan& plan, const PlannedStep& planned);

// Fields of a few-shot template that a step says nothing about are steps and inputs of their names,
// or fields of the element that the step is done for. Throws Error.
ChainDescription with_few_shot_fields(ChainDescription description);

// Throws Error: file_not_found, or invalid_input for files that are empty or lack a field.
StepParts read_step_parts(const ChainPlan& plan, const PlannedStep& planned,
                          const ReadRows& read_rows);
// What inputs are when nothing is given. Throws Error likewise.
ChainInputs read_default_inputs(const ChainPlan& plan, const ReadRows& read_rows);

}  // namespace llm::detail
