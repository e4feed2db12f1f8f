// What is read from the user: whole prompts, lines, and rows of JSON lines. All errors are
// invalid_input and name the file and line.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/generation/generator.hpp"

namespace llm::shell {

// Whether anything can be read from standard input without a person typing it.
bool stdin_is_piped();

// The whole file; "-" is standard input.
std::string read_input(const std::string& path);

// `text` without one line end at its end: editors and echo add it, prompts rarely mean it.
std::string without_last_newline(std::string text);

// Reads a text line by line, without holding all of it.
class LineReader {
 public:
  // "-" is standard input.
  explicit LineReader(const std::string& path);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  // The next line without its end; nullopt after the last, or when a signal came.
  std::optional<std::string> next();
  // "rows.jsonl, line 3", about the line next() gave last.
  std::string place() const;
  std::size_t line_number() const { return line_; }

 private:
  std::string name_;
  int file_ = 0;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not yet given out
  bool end_ = false;
  std::size_t line_ = 0;
};

// One row of input: a prompt or token ids, and its name as JSON text (a string or a number).
struct InputRow {
  std::string id;
  std::string place;
  std::optional<std::string> text;
  std::vector<TokenId> ids;
  std::optional<RowError> error = {};  // why nothing can be computed for it
};

// Reads rows `{"id", FIELD | "ids"}`. Without `id` the line number is taken.
class RowReader {
 public:
  RowReader(const std::string& path, std::string field);
  // nullopt at the end. Throws Error (invalid_input) with file and line.
  std::optional<InputRow> next();

 private:
  LineReader lines_;
  std::string field_;
};

}  // namespace llm::shell
