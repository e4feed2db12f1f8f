// The flags of commands that load a model: which, and how its weights are kept.
#pragma once

#include <filesystem>
#include <string>

#include "commands/options.hpp"
#include "llm/model/model.hpp"
#include "shell/load.hpp"

namespace llm::shell {

class ModelFlags {
 public:
  // Adds -m, --adapter, --dtype, --fast, --kv-dtype and --threads to `line`.
  explicit ModelFlags(CommandLine& line);

  // Both after parsing. Throw Error (invalid_option, file_not_found).
  std::filesystem::path path() const;
  LoadOptions load_options() const;

  // For with_scalar().
  Precision precision() const { return parse_precision(dtype_); }
  const std::string& dtype() const { return dtype_; }

 private:
  CommandLine& line_;
  std::string dtype_ = "auto";
  std::string kv_dtype_ = "f32";
  bool fast_ = false;
  int threads_ = 0;
};

}  // namespace llm::shell
