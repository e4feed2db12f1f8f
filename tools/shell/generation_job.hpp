// One run of generate or few-shot: what was asked for, and how rows become written results.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "llm/generation/settings.hpp"
#include "llm/model/model.hpp"
#include "llm/tasks/text_task.hpp"
#include "shell/row_run.hpp"

namespace llm::shell {

struct GenerationJob {
  std::string model;  // as named by the user
  std::string model_source = "flag";
  LoadOptions load;
  std::string dtype = "auto";
  std::string overflow = "error";
  std::optional<std::int64_t> max_input_tokens;  // default: as RunOptions
  std::int32_t logprobs = 0;
  bool explain = false;
  bool add_special_tokens = true;

  // What the model is asked to do, and the model's options for it; empty: to continue or transform
  // the prompt, with the options of its files.
  std::function<TextTask(const std::filesystem::path&, const TransformerConfig&, const Tokenizer*)>
      task;
  std::vector<GenerationSetting> settings;
  std::vector<std::string> stop;         // stop strings
  std::vector<std::string> stop_tokens;  // as spelled in the vocabulary, or numbers
  std::vector<std::string> bad_words;

  bool echo = false;
  std::optional<bool> stream;  // default: a single text is streamed
  RowJob rows;
};

// How long a prompt may be, once the model is known.
struct PromptRoom {
  const Tokenizer* tokenizer = nullptr;     // may be null
  std::optional<std::int64_t> most_tokens;  // of a prompt, with room for the answer
  bool add_special_tokens = true;

  // How many tokens the text has; 0 without a tokenizer.
  std::int64_t tokens(const std::string& text) const;
  bool holds(const std::string& text) const { return !most_tokens || tokens(text) <= *most_tokens; }
};
// The room in a model's context; a decoder keeps some for `answer_tokens` after the prompt.
template <typename S>
PromptRoom prompt_room(const LanguageModel<S>& model, const Tokenizer* tokenizer,
                       bool add_special_tokens, std::int64_t answer_tokens) {
  if (model.is_encoder_decoder()) return {tokenizer, model.max_source_length(), add_special_tokens};
  std::optional<std::int64_t> most = model.max_length();
  if (most) *most -= std::clamp<std::int64_t>(answer_tokens, 1, *most);
  return {tokenizer, most, add_special_tokens};
}

// One of a row's prompts, and the fields in front of its results.
struct RowPrompt {
  std::string text;
  OrderedJson fields = OrderedJson::object();
};

// How rows become prompts.
struct PromptPlan {
  // Gives every row the same number of prompts, `count`. Throws Error about the row. Empty: the
  // prompt is the row's text or ids.
  std::function<std::vector<RowPrompt>(const Row& row, const PromptRoom& room)> make = {};
  std::size_t count = 1;
  std::vector<std::string> columns = {};  // the names of the prompts' fields
  std::string shared = {};                // a beginning of many prompts: a decoder reads it once
};

// Loads the model, generates for all rows, writes the results. Returns the exit code; throws Error
// and ClosedPipe.
int run_generation(const GenerationJob& job, const PromptPlan& plan = {});

// The prompt of a row. Throws Error about the row.
using PromptMaker = std::function<std::string(const Row& row)>;
// The same with one prompt for each row.
int run_generation(const GenerationJob& job, const PromptMaker& prompt);

}  // namespace llm::shell
