// The flags that generate and few-shot share.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "commands/options.hpp"
#include "shell/generation_job.hpp"

namespace llm::shell {

class GenerationFlags {
 public:
  // Adds the flags to `line`; both must live as long as each other.
  explicit GenerationFlags(CommandLine& line);

  // What the flags say; to be called after parsing. Throws Error (invalid_option).
  GenerationJob job() const;
  // Name of the text in a row of --input.
  const std::string& input() const { return input_; }
  const std::string& field() const { return field_; }

 private:
  void add_run_flags();
  void add_stop_flags();
  void add_format_flags();
  void add_settings();

  CommandLine& line_;
  GenerationJob job_;
  std::string input_, field_ = "text";
  std::map<std::string, std::string> switches_;  // by name; empty when not given
  std::vector<std::string> stop_;
  bool stop_line_ = false, json_ = false, jsonl_ = false, no_special_ = false;
  bool stream_ = false, no_stream_ = false;
};

}  // namespace llm::shell
