// One run of generate or few-shot: what was asked for, and the way from rows to written results.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "llm/nn/transformer_config.hpp"
#include "llm/tasks/text_task.hpp"
#include "llm/weights/adapter.hpp"
#include "shell/input.hpp"
#include "shell/result_writer.hpp"

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
  std::vector<Adapter> adapters;  // merged into its weights
  std::string dtype = "auto";
  bool fast = false;  // activations are rounded more
  int threads = 0;
  std::int64_t batch_size = 8;
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

  bool batch = false;  // rows of a file: a failed one is written, the others go on
  Format format = Format::text;
  bool echo = false;
  std::optional<bool> stream;  // default: a single text is streamed
  std::string output;
  bool force = false;
};

// Where prompts come from; nullopt at the end.
using RowSource = std::function<std::optional<InputRow>()>;

// Loads the model, generates for all rows, writes the results. Returns the exit code; throws Error
// and ClosedPipe.
int run_generation(const GenerationJob& job, const RowSource& rows);

}  // namespace llm::shell
