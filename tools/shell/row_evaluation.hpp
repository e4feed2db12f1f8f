// Evaluates a run of rows while it runs (--eval): compares every result with the reference in its
// row. The rows are written as they would be without it.
#pragma once

#include <memory>
#include <string>

#include "shell/eval_groups.hpp"
#include "shell/output.hpp"
#include "shell/row_run.hpp"

namespace llm::shell {

struct EvalJob {
  EvalOptions options;
  std::string reference;                 // field of the rows of the input
  std::string by;                        // field of results to evaluate apart; empty: none
  std::string output;                    // a file for the report as JSON; empty: none
  std::string plot;                      // a file for the picture; empty: none
  bool force = false;                    // replace these files
  std::vector<std::string> others = {};  // further files that are written; "" is standard output
};

// Files for reports. They are made before anything is computed, to see that they can be, and get
// their names when the report is whole.
class EvalFiles {
 public:
  // Throws Error (invalid_option).
  explicit EvalFiles(const EvalJob& job);
  void write(const EvalSummary& summary);

 private:
  std::unique_ptr<Output> report_, plot_;
};

class RowEvaluation {
 public:
  // Adds itself to `rows`, which must not outlive it. Rows without a reference are then bad rows.
  // Throws Error (invalid_option) when the rows are not from a file, or when their results cannot
  // be evaluated.
  RowEvaluation(EvalJob job, RowJob& rows);
  RowEvaluation(const RowEvaluation&) = delete;
  RowEvaluation& operator=(const RowEvaluation&) = delete;

  // Call it after the run, with the run's exit code: writes the report to standard error and its
  // files. Returns the code, or that of a signal that came meanwhile. Throws Error.
  int finish(int code);

 private:
  void see(const Row& row, const RowResult& result);

  EvalJob job_;
  EvalFiles files_;
  EvalGroups groups_;
};

}  // namespace llm::shell
