// One run of chain: rows to the inputs of a chain, and its values to what is written.
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

// The rows of a file of any format that rows are read from, as values.
std::vector<ChainValue> chain_rows(const std::filesystem::path& file);

// A text given by a flag; with @ in front what the file holds: rows of .jsonl, .csv and .tsv, the
// value of .json, the text of any other. "-" is standard input.
ChainValue chain_value_of_flag(const std::string& text, const std::string& place);
// A text as it was given, which must be UTF-8.
ChainValue chain_text(std::string text, const std::string& place);

// Puts models in place of those that the file names: `named` by name, "" for steps that name none.
// Looks all models that are used for up, so that one that is missing is found before any is loaded;
// with `missing_are_errors` not set, a warning says which. Throws Error.
void choose_chain_models(ChainDescription& description,
                         const std::map<std::string, std::string>& named, bool missing_are_errors);

// The plan as JSON.
OrderedJson plan_json(const ChainPlan& plan);

// Runs the chain for all rows, or once. Returns the exit code; throws Error and ClosedPipe.
int run_chain_job(const ChainJob& job);

}  // namespace llm::shell
