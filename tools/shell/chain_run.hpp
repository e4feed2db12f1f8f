// One run of chain: from rows to the inputs of a chain, and from its values to what is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llm/chain/chain.hpp"
#include "shell/load.hpp"
#include "shell/row_run.hpp"

namespace llm::shell {

struct ChainJob {
  ChainDescription description;
  Precision precision = {};
  LoadOptions load = {};
  std::optional<std::uint64_t> seed = {};
  ChainInputs inputs = {};  // the same for all rows
  ChainInputs added = {};   // of them, lists that come behind those of a row
  std::vector<std::string> selected =
      {};            // steps whose values are written; empty: the last of the file
  bool all = false;  // all values, with the inputs of steps and single rounds
  RowJob rows = {};
};

// The rows of a file in any row format, as values.
std::vector<ChainValue> chain_rows(const std::filesystem::path& file);

// A text given by a flag. With @ in front it is what the file holds: the rows of .jsonl, .csv and
// .tsv, the value of .json, the text of any other file. "-" is standard input.
ChainValue chain_value_of_flag(const std::string& text, const std::string& place);
// A text as given; it must be UTF-8.
ChainValue chain_text(std::string text, const std::string& place);

// Replaces the models that the file names: `named` by name, "" for steps that name none. Looks up
// all models that are used, so that a missing one is found before any is loaded. Unless
// `missing_are_errors`, a warning says which is missing. Throws Error.
void choose_chain_models(ChainDescription& description,
                         const std::map<std::string, std::string>& named, bool missing_are_errors);

// The plan as JSON.
OrderedJson plan_json(const ChainPlan& plan);

// Runs the chain for all rows, or once. Returns the exit code; throws Error and ClosedPipe.
int run_chain_job(const ChainJob& job);

}  // namespace llm::shell
