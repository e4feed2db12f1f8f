#include "commands/eval_flags.hpp"

#include <algorithm>

#include "llm/core/error.hpp"

namespace llm::shell {
namespace {

constexpr const char* eval_group = "Evaluation";

}  // namespace

void add_measure_flags(CommandLine& line, EvalOptions& options, const std::string& seed_flag) {
  line.option("--confidence", options.confidence, "Of the intervals around scores (default: 0.95)")
      ->group(eval_group);
  line.option("--resamples", options.resamples,
              "Resamples of the bootstrap that intervals are from (default: 1000; 0: none)")
      ->group(eval_group);
  line.option(seed_flag, options.seed, "Of the resamples (default: 0)")
      ->check(seed_error)
      ->group(eval_group);
  line.flag("--use-stemmer", options.use_stemmer, "ROUGE compares words without their endings")
      ->group(eval_group);
}

EvalFlags::EvalFlags(CommandLine& line, Shape shape) : line_(line), shape_(std::move(shape)) {
  const std::string f1 = shape_.answers ? "f1 (of words)" : "f1 (of labels), squad_f1 (of words)";
  line.option("--eval", metrics_,
              "Score the results: accuracy,exact_match," + f1 +
                  ",rouge,bleu; the report goes to standard error")
      ->group(eval_group);
  line.option("--reference,--reference-field", reference_,
              "Field of a row with the right answer, or a list of them" +
                  (shape_.reference.empty() ? "" : " (default: " + shape_.reference + ")"))
      ->group(eval_group);
  line.option("--eval-labels", labels_,
              "f1 is the average over these labels only: a,b (default: all that are predicted or "
              "right)")
      ->group(eval_group);
  line.option("--eval-output", output_, "Write the report to this file, as JSON")
      ->group(eval_group);
  if (!shape_.by.empty())
    line.option("--plot", plot_, "Draw the first score over " + shape_.by + ": FILE.svg")
        ->group(eval_group);
  add_measure_flags(line, options_, "--eval-seed");
}

EvalJob EvalFlags::job(const RowJob& rows, const std::string& reference) const {
  EvalJob job{options_, reference_, shape_.by, output_, plot_, rows.force, {rows.output}};
  job.options.metrics = metrics_from_names(split_list(metrics_));
  if (!labels_.empty()) job.options.labels = split_list(labels_);
  if (shape_.answers) std::ranges::replace(job.options.metrics, Metric::f1, Metric::squad_f1);
  if (job.reference.empty()) job.reference = reference.empty() ? shape_.reference : reference;
  if (job.reference.empty())
    throw Error(ErrorCode::invalid_option,
                "--eval does not know the right answers; name their field with --reference",
                "--reference");
  return job;
}

int EvalFlags::run(RowJob& rows, const std::function<int()>& work,
                   const std::string& reference) const {
  if (!is_given()) {
    for (const char* flag : {"--reference", "--eval-labels", "--eval-output", "--plot",
                             "--confidence", "--resamples", "--eval-seed", "--use-stemmer"})
      if (const auto* option = line_.app().get_option_no_throw(flag);
          option != nullptr && option->count() > 0)
        throw Error(ErrorCode::invalid_option,
                    std::string(flag) + " is about --eval, which is not given", flag);
    return work();
  }
  RowEvaluation evaluation(job(rows, reference), rows);
  return evaluation.finish(work());
}

}  // namespace llm::shell
