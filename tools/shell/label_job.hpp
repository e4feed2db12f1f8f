// few-shot with labels: every label is scored as a continuation of the prompt, and the most
// probable one is the answer. Nothing is generated.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "llm/model/model.hpp"
#include "shell/few_shot_prompts.hpp"
#include "shell/row_run.hpp"

namespace llm::shell {

struct LabelJob {
  std::filesystem::path model;
  LoadOptions load;
  bool f64 = false;
  std::vector<std::string> labels;
  std::string label_field;  // of the examples; may be empty
  // Divide each label's probability by the one it has after a query without content ("N/A").
  bool calibrate = false;
  bool add_special_tokens = true;
  std::optional<std::int64_t> max_input_tokens = {};  // as ScorerOptions
  RowJob rows;
};

// What is scored for each label: the label after the text that the template's example has between
// query and label; or the label alone where an answer is a text of its own (encoder-decoders,
// chat).
std::vector<std::string> label_completions(const FewShotTemplate& few_shot,
                                           const std::vector<std::string>& labels, bool alone);
// How many tokens the longest of them has.
std::int64_t longest_of(const std::vector<std::string>& completions, const Tokenizer& tokenizer);

// Returns the exit code; throws Error and ClosedPipe. Warns of labels whose first token is not the
// one that the examples show.
int run_labels(const LabelJob& job, FewShotPrompts& prompts);

}  // namespace llm::shell
