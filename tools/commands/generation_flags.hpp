// The flags that generate and few-shot share.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "commands/model_flags.hpp"
#include "commands/options.hpp"
#include "commands/row_flags.hpp"
#include "shell/generation_job.hpp"

namespace llm::shell {

class GenerationFlags {
 public:
  // Adds the flags to `line`; both must live as long as each other.
  GenerationFlags(CommandLine& line, RowShape shape);

  // What the flags say; to be called after parsing. Throws Error (invalid_option, invalid_input).
  GenerationJob job() const;
  const RowFlags& rows() const { return rows_; }
  const ModelFlags& model() const { return model_; }
  bool adds_special_tokens() const { return !no_special_; }
  std::optional<std::int64_t> max_input_tokens() const { return job_.max_input_tokens; }

 private:
  void add_run_flags();
  void add_stop_flags();
  void add_settings();

  CommandLine& line_;
  ModelFlags model_;
  RowFlags rows_;
  GenerationJob job_;
  std::map<std::string, std::string> switches_;  // by name; empty when not given
  std::vector<std::string> stop_;
  bool stop_line_ = false, no_special_ = false;
  bool stream_ = false, no_stream_ = false;
};

}  // namespace llm::shell
