// The flags that commands share which run a head, or the model alone, over texts and pairs of
// texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "commands/model_flags.hpp"
#include "commands/row_flags.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm::shell {

class TaskFlags {
 public:
  // Adds the flags of the model, of rows, and --overflow. `cuts`: long texts are cut unless that
  // says otherwise.
  TaskFlags(CommandLine& line, RowShape shape, bool cuts);

  // --text-pair and --text-pair-field, for commands that take pairs.
  void add_pair();

  // All after parsing.
  RowJob job() const;
  const ModelFlags& model() const { return model_; }
  const RowFlags& rows() const { return rows_; }
  // --max-input-tokens, and the signals that end the work.
  InputOptions input() const;
  // Whether long texts are cut. Throws Error (invalid_option).
  bool cuts() const;
  // The row's second text: of the flag, or of the row. Throws Error (invalid_input) when the row
  // has another kind of value there.
  std::optional<std::string> pair(const Row& row) const;
  // The name of the field with the second text.
  const std::string& pair_field() const { return pair_field_; }

 private:
  CommandLine& line_;
  ModelFlags model_;
  RowFlags rows_;
  std::string overflow_;
  std::optional<std::int64_t> max_input_tokens_;
  std::string pair_, pair_field_ = "text_pair";
  CLI::Option* pair_option_ = nullptr;
};

}  // namespace llm::shell
