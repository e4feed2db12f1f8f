// The flags about rows that all commands on texts share: where rows come from, what is written of
// them, and where. With them one text as an argument, a pipe, or a file of millions of rows are the
// same to a command:
//
//   CommandLine line("classify", "...");
//   ModelFlags model(line);
//   RowFlags rows(line, {.fields = {"text"}, .argument = "TEXT"});
//   if (const auto done = line.parse(arguments)) return *done;
//   ...
//   return run_rows(rows.job(), {.columns = {"label", "score"}, .compute = ..., .text = ...});
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "commands/options.hpp"
#include "llm/core/error.hpp"
#include "shell/row_run.hpp"

namespace llm::shell {

// What a command takes as a row.
struct RowShape {
  // The fields every row must have as text: Row::texts in this order. One of them can come from the
  // argument, -f or a pipe. With several, each is also an option (--context TEXT), which then holds
  // for all rows. --field (of one) or --NAME-field (of several) say what a file calls them. Empty:
  // rows may have any fields, and a row of arguments is the command's to make (RowJob::single).
  std::vector<std::string> fields = {"text"};
  std::string argument = "TEXT";  // name of the argument; empty: none, and no -f and --lines
  std::string option = {};        // the argument as an option, too: "-p,--prompt"
  bool ids = false;               // rows may have "ids" in place of text; Row::texts is then empty
  bool prompt = false;            // with the argument a pipe is read, too, and comes before it
  std::vector<std::string> formats = {};  // further names for --format, which the command writes
  bool plain = false;                     // text is the default format even when no person reads it
};

// Tells models apart by what their files are called, how large they are and when they were written:
// for RowJob::identity.
std::string model_identity(const std::filesystem::path& model);

// Adds --max-input-tokens to `line`.
void max_input_tokens_flag(CommandLine& line, std::optional<std::int64_t>& value);

class RowFlags {
 public:
  // Adds to `line`: the argument, -f, --lines, --input, --input-format, --field, --id-field,
  // --format, --json, --jsonl, --keep, --strict, --shard, --resume, --batch-size, -o, --force.
  RowFlags(CommandLine& line, RowShape shape);

  // What the flags say; after parsing. Reads the pipe or file that the only row comes from. Throws
  // Error (invalid_option, invalid_input). A command that reads further files which change its
  // results adds what tells them apart to RowJob::identity.
  RowJob job() const;
  // The same about output alone, for a command that makes its only row itself (RowJob::single).
  RowJob job_without_rows() const;

  // The one of RowShape::formats that --format names; empty when it names none.
  std::string own_format() const;
  // Whether rows come from --input or --lines.
  bool is_there() const { return !input_.empty() || !lines_.empty(); }
  // Whether that, an argument or a file to read the only row from is given.
  bool is_given() const { return is_there() || !file_.empty() || has_argument(); }

 private:
  void add_source_flags();
  void add_field_flags();
  void add_format_flags();
  void check_source() const;
  void read_source(RowJob& job) const;
  bool has_argument() const;
  std::optional<std::string> fixed_value(const std::string& field) const;
  std::optional<Row> row_of_arguments(const std::vector<RowReader::Field>& fields) const;
  std::optional<std::string> given_text(std::string& place) const;
  Error nothing_given() const;
  Format format() const;
  void read_shard(RowJob& job) const;
  OrderedJson identity() const;

  CommandLine& line_;
  RowShape shape_;
  std::string noun_;  // what people call the argument
  CLI::Option* argument_option_ = nullptr;
  CLI::Option* option_option_ = nullptr;
  std::string argument_, option_, file_, lines_, input_, input_format_, id_field_;
  std::vector<std::string> names_;            // of the fields, in files
  std::map<std::string, std::string> fixed_;  // fields given by flags
  std::map<std::string, CLI::Option*> fixed_options_;
  std::string format_, shard_;
  std::vector<std::string> keep_;
  std::int64_t batch_size_ = 8;
  bool json_ = false, jsonl_ = false, strict_ = false, resume_ = false;
};

}  // namespace llm::shell
