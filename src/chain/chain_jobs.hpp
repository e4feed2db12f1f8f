// What the steps of a chain are asked: templates filled with values. Knows no model.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "chain/chain_scope.hpp"
#include "chain/step_parts.hpp"
#include "chain/step_runner.hpp"
#include "llm/chain/chain.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {

// One value to be made.
struct ChainJob {
  std::size_t run = 0;
  std::size_t index = 0;  // of a map step from 1, otherwise 0
  StepRequest request = {};
  std::string input = {};  // the main text

  std::size_t bytes() const;
};

class ChainJobs {
 public:
  // Throws Error as the constructor of Chain.
  ChainJobs(ChainDescription description, const ReadRows& read_rows);

  const ChainPlan& plan() const { return plan_; }
  const StepParts& parts(std::size_t step) const { return parts_[step]; }

  // What is given, and the chain's own values for what is not.
  ChainInputs with_defaults(const ChainInputs& given) const;

  // Hands out all that is asked of a step for one run, one by one; `take` returns false when no
  // more is wanted. Throws Error about the inputs.
  void each(std::size_t step, const ChainProgress& run,
            const std::function<bool(ChainJob&&)>& take) const;

  // The elements of a list as the step's "each" says, with its "separator" between them.
  std::string join(std::size_t step, const ChainProgress& run, const std::vector<ChainValue>& items,
                   const std::string& origin = {}) const;

  // Goes through all steps with made-up answers. Throws Error about the inputs.
  void rehearse(const ChainRun& asked) const;

 private:
  ChainJob job(std::size_t step, const ChainScope& scope) const;
  ChainValue made_up_value(std::size_t step, const ChainProgress& run) const;
  void check_known(const ChainInputs& inputs, const std::string& place) const;
  bool uses(const std::string& input) const;

  ChainPlan plan_;
  std::vector<StepParts> parts_;
  ChainInputs defaults_;
};

// The error with the step in front, unless it names it already.
Error located(const ChainPlan& plan, const PlannedStep& planned, const Error& error);

// "rows.jsonl, line 3: ", or nothing.
std::string chain_prefix(const std::string& place);

}  // namespace llm::detail
