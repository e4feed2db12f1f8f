// What is read from the user: whole texts, and lines. Rows are made of lines in row_reader.hpp. All
// errors are invalid_input and name the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "shell/row.hpp"

namespace llm::shell {

[[noreturn]] void bad_input(const std::string& place, const std::string& what);

// Whether anything can be read from standard input without a person typing it.
bool stdin_is_piped();

// The whole file; "-" is standard input.
std::string read_input(const std::string& path);

// `text` without one line end at its end: editors and echo add it, prompts rarely mean it.
std::string without_last_newline(std::string text);

// Reads a text line by line, without holding all of it. A byte order mark is skipped; UTF-16 is
// refused, also in read_input().
class LineReader {
 public:
  // Of longer lines nothing is held.
  static constexpr std::size_t max_line_bytes = std::size_t{64} << 20;

  // "-" is standard input.
  explicit LineReader(const std::string& path);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  // The next line without its end (LF or CR LF); nullopt after the last, or when a signal came.
  // Throws Error when it is lost().
  std::optional<std::string> next();
  // The same, but a CR stays, and a line that is lost() is empty.
  std::optional<std::string> next_with_cr();
  // Why the line given last was passed over: it is too long, or there is no memory for it.
  const std::optional<RowError>& lost() const { return lost_; }
  // Of all lines that were given or passed over.
  std::uint64_t digest() const { return digest_.value(); }
  // "rows.jsonl, line 3", about the line next() gave last.
  std::string place() const { return place(line_); }
  std::string place(std::size_t line) const;
  std::size_t line_number() const { return line_; }
  const std::string& name() const { return name_; }
  // Which part of the file has been given out, 0 to 1; nullopt for pipes and the like.
  std::optional<double> fraction() const;

 private:
  std::size_t fill();
  std::optional<std::string> take();
  void pass_over();
  void count(std::size_t begin, std::size_t end);

  std::string name_;
  int file_ = 0;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not yet given out
  bool end_ = false;
  std::size_t line_ = 0;
  std::uint64_t given_ = 0;  // bytes
  std::uint64_t size_ = 0;   // of the file; 0: not known
  std::optional<RowError> lost_;
  Digest digest_;
};

}  // namespace llm::shell
