// --eval and what belongs to it, for commands that turn rows into results:
//
//   EvalFlags eval(line, {.reference = "label"});
//   if (const auto done = line.parse(arguments)) return *done;
//   RowJob job = rows.job();
//   return eval.run(job, [&] { return run_rows(job, ...); });
#pragma once

#include <functional>
#include <string>

#include "commands/options.hpp"
#include "llm/eval/evaluation.hpp"
#include "shell/row_evaluation.hpp"

namespace llm::shell {

// --confidence, --resamples, a flag for the seed, and --use-stemmer.
void add_measure_flags(CommandLine& line, EvalOptions& options, const std::string& seed_flag);

class EvalFlags {
 public:
  struct Shape {
    std::string reference = {};  // default name of the reference; empty: see run()
    bool answers = false;        // "f1" is SQuAD's, of words
    std::string by = {};         // field of results to evaluate apart; then there is also --plot
  };

  EvalFlags(CommandLine& line, Shape shape);

  bool is_given() const { return !metrics_.empty(); }
  // Does the work on these rows, and evaluates its results when --eval is given. `reference` is the
  // default of --reference, where the shape has none. Returns the work's exit code; throws Error.
  int run(RowJob& rows, const std::function<int()>& work, const std::string& reference = {}) const;

 private:
  EvalJob job(const RowJob& rows, const std::string& reference) const;

  CommandLine& line_;
  Shape shape_;
  EvalOptions options_;
  std::string metrics_, labels_, reference_, output_, plot_;
};

}  // namespace llm::shell
