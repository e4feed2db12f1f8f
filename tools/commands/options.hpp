// What all commands share of CLI11: parsing with our errors, spellings, and common options.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands/command.hpp"
#include "llm/core/error.hpp"
#include "llm/weights/adapter.hpp"
#include "shell/output.hpp"

namespace llm::shell {

// What is wrong with how a command was called, with the flag it is about.
inline Error usage(const std::string& sentence, const std::string& flag) {
  return Error(ErrorCode::invalid_option, sentence, flag);
}

// A check of CLI11's, which takes -1 and 2^64 for numbers that fit: what is wrong with a seed.
std::string seed_error(const std::string& text);

// Adds the underscore spelling of every long name: "-n,--max-new-tokens" also is
// "--max_new_tokens".
std::string spellings(const std::string& names);

// An app for one command, with -q, -v, --color and --raw.
class CommandLine {
 public:
  explicit CommandLine(const std::string& command, const std::string& description);

  CLI::App& app() { return app_; }
  const CLI::App& app() const { return app_; }
  const std::string& command() const { return command_; }

  // Adds options; `names` are spelled both ways.
  template <typename T>
  CLI::Option* option(const std::string& names, T& value, const std::string& help) {
    return app_.add_option(spellings(names), value, help);
  }
  CLI::Option* flag(const std::string& names, bool& value, const std::string& help) {
    return app_.add_flag(spellings(names), value, help);
  }
  // True when it stands alone; `--name=false` and `--name false` are understood, too. `value` stays
  // empty when it is not given.
  CLI::Option* switch_option(const std::string& names, std::string& value, const std::string& help);
  // -m, --model; as a positional argument, too, where the command is about a model.
  void model_option(bool positional);
  // --adapter, for commands that load the model.
  void adapter_option();
  // -o and --force.
  void output_options();

  // Returns an exit code when there is nothing left to do (--help). Throws Error (invalid_option)
  // that suggests the nearest name.
  std::optional<int> parse(const Arguments& arguments);

  // What was given, or LLM_GENERATE_MODEL. Throws Error (invalid_option) when there is neither.
  std::string model_name() const;
  bool has_model_name() const;
  const std::string& model_source() const { return model_source_; }
  // Throws Error (file_not_found, invalid_option).
  std::vector<Adapter> adapters() const;
  const std::string& output_path() const { return output_path_; }
  bool force() const { return force_; }

 private:
  void check_remaining(const Arguments& arguments) const;
  void check_paths() const;
  Arguments join_switches(const Arguments& arguments) const;

  std::string command_;
  CLI::App app_;
  std::vector<std::string> switches_;
  std::vector<std::string> adapters_;
  std::string model_, output_path_, color_ = "auto";
  mutable std::string model_source_ = "flag";
  bool force_ = false, quiet_ = false, verbose_ = false, raw_ = false;
};

// "a,b" at its commas, spaces and all.
std::vector<std::string> split_list(const std::string& list);

// Backslash escapes (\n, \t, \r, \\) replaced. Throws Error (invalid_option) for others.
std::string unescape(const std::string& text, const std::string& flag);

}  // namespace llm::shell
