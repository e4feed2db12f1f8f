// The evaluation of a run of rows while it runs (--eval): every result is compared with what the
// row's own reference says. Rows are written as they would be without it.
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

// Files for reports: they are made before anything is computed, since they may not be there yet,
// and get their names when the report is whole.
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
  // Adds itself to `rows`, which must not outlive it. Rows without a reference are then bad ones.
  // Throws Error (invalid_option) when there are no rows of a file, or what they become cannot be
  // evaluated.
  RowEvaluation(EvalJob job, RowJob& rows);
  RowEvaluation(const RowEvaluation&) = delete;
  RowEvaluation& operator=(const RowEvaluation&) = delete;

  // After the run, which ended with that exit code: the report, on standard error and in its files.
  // Returns the code, or that of a signal that came meanwhile. Throws Error.
  int finish(int code);

 private:
  void see(const Row& row, const RowResult& result);

  EvalJob job_;
  EvalFiles files_;
  EvalGroups groups_;
};

}  // namespace llm::shell
