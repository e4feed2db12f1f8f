// few-shot with labels: instead of generating an answer, every label is scored as the prompt's
// continuation, and the most probable one is the answer.
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
  // Divide each label's probability by the one it has behind a query without content ("N/A").
  bool calibrate = false;
  bool add_special_tokens = true;
  std::optional<std::int64_t> max_input_tokens = {};  // as ScorerOptions
  RowJob rows;
};

// What is scored for each label: behind what stands between query and label in the template's
// example, or alone where an answer is a text of its own (encoder-decoders, chat).
std::vector<std::string> label_completions(const FewShotTemplate& few_shot,
                                           const std::vector<std::string>& labels, bool alone);
// Tokens of the longest of them.
std::int64_t longest_of(const std::vector<std::string>& completions, const Tokenizer& tokenizer);

// Returns the exit code; throws Error and ClosedPipe. Warns of labels whose first token is not the
// one that examples show.
int run_labels(const LabelJob& job, FewShotPrompts& prompts);

}  // namespace llm::shell
