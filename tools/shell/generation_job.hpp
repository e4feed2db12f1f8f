// One run of generate or few-shot: what was asked for, and the way from rows to written results.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/text_task.hpp"
#include "shell/row_run.hpp"

namespace llm::shell {

// A generation option the user gave, and where.
struct Setting {
  std::string name;
  std::string value;
  std::string source;
};

struct GenerationJob {
  std::string model;  // as named by the user
  std::string model_source = "flag";
  LoadOptions load;
  std::string dtype = "auto";
  std::string overflow = "error";
  std::int32_t logprobs = 0;
  bool explain = false;
  bool add_special_tokens = true;

  // What the model is asked to do, and its own options for it; empty: to continue or transform the
  // prompt, with the options of its files.
  std::function<TextTask(const std::filesystem::path&, const TransformerConfig&, const Tokenizer*)>
      task;
  std::vector<Setting> settings;
  std::vector<std::string> stop;         // stop strings
  std::vector<std::string> stop_tokens;  // as spelled in the vocabulary, or numbers
  std::vector<std::string> bad_words;

  bool echo = false;
  std::optional<bool> stream;  // default: a single text is streamed
  RowJob rows;
};

// The prompt of a row. Throws Error about the row.
using PromptMaker = std::function<std::string(const Row& row)>;

// Loads the model, generates for all rows, writes the results. Without `prompt` the row's text, or
// its ids, are the prompt. Returns the exit code; throws Error and ClosedPipe.
int run_generation(const GenerationJob& job, const PromptMaker& prompt = {});

}  // namespace llm::shell
