// An evaluation as JSON, and as a table for people.
#pragma once

#include <string>

#include "shell/eval_groups.hpp"

namespace llm::shell {

// {"rows", "failed", "confidence", "resamples", "seed", and each metric by its name:
// {"value", "low", "high", ...}}; of several groups "by" and the list "groups" with these.
OrderedJson to_json(const EvalSummary& summary);

// As whole lines.
std::string to_table(const EvalSummary& summary);

// "0.8400", for BLEU "23.41"; "-" where it is not defined.
std::string metric_text(Metric metric, double value);

}  // namespace llm::shell
