/// \file
/// Running a chain: steps that use models, each loaded once, and feed each other texts.
///   ChainPlan + inputs -> [step by step: templates -> model -> values] -> results
/// The format of a chain's file is described in chain_description.hpp.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/chain/chain_plan.hpp"
#include "llm/generation/generator.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// A model that steps share.
template <typename S>
struct ChainModel {
  std::filesystem::path path;                  ///< where it was found
  std::shared_ptr<const Model<S>> model;       ///< the model
  std::shared_ptr<const Tokenizer> tokenizer;  ///< its tokenizer
};

/// Loads what PlannedModel says; `options` are those of models that say nothing else. Throws Error.
template <typename S>
ChainModel<S> load_chain_model(const PlannedModel& model, const LoadOptions& options = {});

/// The rows of a file of JSON lines, or of plain lines (.txt), as values. Throws Error
/// (invalid_input) with the line number.
std::vector<ChainValue> read_chain_rows(const std::filesystem::path& file);

/// How to run. Of these only `seed`, the limit and what the functions do changes results.
template <typename S>
struct ChainOptions {
  std::uint64_t seed = 0;       ///< of all steps that draw
  std::int64_t batch_size = 8;  ///< texts computed together
  /// Of the values of one run, all steps together: larger ones are an error of the run.
  std::size_t max_value_bytes = std::size_t{1} << 30;
  LoadOptions load = {};  ///< of load_chain_model(), unless there is `load_model`
  /// Loads a model; default: load_chain_model().
  std::function<ChainModel<S>(const PlannedModel&)> load_model = {};
  /// Rows of inputs, examples and of retrieve steps; default: read_chain_rows().
  std::function<std::vector<ChainValue>(const std::filesystem::path&)> read_rows = {};
  /// A model is given up when no later step needs it; another run loads it again.
  bool release_models = false;
  /// Ends the runs once it is set.
  const std::atomic<bool>* interrupt = nullptr;
  /// Sentences for people: options without effect, targets that are no tokens.
  std::function<void(const std::string&)> on_warning = {};
};

/// What a chain is run with once.
struct ChainRun {
  ChainInputs inputs;      ///< by name
  std::uint64_t row = 0;   ///< number in the random stream
  std::string place = {};  ///< where the inputs are from, for errors
};

/// A value as soon as it is there.
struct ChainResult {
  std::size_t run = 0;       ///< which of the runs
  std::size_t step = 0;      ///< its number in the plan
  std::size_t index = 0;     ///< of a map step: from 1; otherwise 0
  std::int64_t round = 0;    ///< of a repeat step: of one output, from 1; the value itself has 0
  const std::string& input;  ///< the main text that the step was given
  const ChainValue& value;   ///< what the step made of it
};

/// What became of a run.
struct ChainOutcome {
  std::optional<RowError> error;   ///< says which step, which element, and what input it had
  bool interrupted = false;        ///< ended before its last step
  std::vector<ChainValue> values;  ///< of each step in the file's order; nothing of steps not done
};

/// Not thread-safe. A value depends on the chain, the models, the run's inputs and row, and the
/// seed: not on the runs it is computed with, nor on other steps.
template <typename S>
class Chain {
 public:
  /// Receives values as soon as they are there.
  using OnResult = std::function<void(const ChainResult&)>;

  /// Reads the files that steps name, but no model. Throws Error as ChainPlan, file_not_found, and
  /// invalid_input for files that are empty or lack a field.
  explicit Chain(ChainDescription description, ChainOptions<S> options = {});
  /// The same for a file (JSON).
  static Chain from_file(const std::filesystem::path& file, ChainOptions<S> options = {});
  Chain(Chain&&) noexcept;             ///< only to be assigned to or destroyed afterwards
  Chain& operator=(Chain&&) noexcept;  ///< likewise
  ~Chain();

  /// The checked chain.
  const ChainPlan& plan() const;
  /// In place of ChainOptions::seed, for later runs.
  void set_seed(std::uint64_t seed);

  /// What is wrong with inputs before any model is loaded. Throws Error (invalid_input): inputs and
  /// fields that are missing, a map over what is no list.
  void check(const ChainRun& run) const;

  /// Runs the chain once. Throws Error, which says which step, element and input it is about.
  ChainOutcome run(const ChainInputs& inputs, const OnResult& on_result = {});
  /// Runs it for each, step by step for all of them together. A run that fails has an error and
  /// the others go on. Throws Error for models that cannot be loaded or do not fit their step.
  std::vector<ChainOutcome> run_all(std::span<const ChainRun> runs, const OnResult& on_result = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

extern template class Chain<float>;
extern template class Chain<double>;
extern template ChainModel<float> load_chain_model(const PlannedModel&, const LoadOptions&);
extern template ChainModel<double> load_chain_model(const PlannedModel&, const LoadOptions&);

}  // namespace llm
