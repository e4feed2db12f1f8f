// What is read from the user: whole texts, and lines. row_reader.hpp makes rows of lines. All
// errors are invalid_input and name the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "shell/row.hpp"

namespace llm::shell {

[[noreturn]] void bad_input(const std::string& place, const std::string& what);

// Whether standard input has data, without a person typing it.
bool stdin_is_piped();

// The whole file; "-" is standard input.
std::string read_input(const std::string& path);

// `text` without one line end at its end: editors and echo add it, prompts rarely mean it.
std::string without_last_newline(std::string text);

// Reads a text line by line, never the whole of it. Skips a byte order mark. Refuses UTF-16; so
// does read_input().
class LineReader {
 public:
  // Lines that are longer are not kept.
  static constexpr std::size_t max_line_bytes = std::size_t{64} << 20;

  // "-" is standard input.
  explicit LineReader(const std::string& path);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  // The next line without its end (LF or CR LF); nullopt after the last one, or when a signal came.
  // Throws Error when it is lost().
  std::optional<std::string> next();
  // The same, but a CR stays, and a line that is lost() is empty.
  std::optional<std::string> next_with_cr();
  // Why the last line was skipped: it is too long, or there is no memory for it.
  const std::optional<RowError>& lost() const { return lost_; }
  // Of all lines that were given or skipped.
  std::uint64_t digest() const { return digest_.value(); }
  // "rows.jsonl, line 3", about the last line that next() gave.
  std::string place() const { return place(line_); }
  std::string place(std::size_t line) const;
  std::size_t line_number() const { return line_; }
  const std::string& name() const { return name_; }
  // How much of the file has been given out, 0 to 1; nullopt for pipes and the like.
  std::optional<double> fraction() const;

 private:
  std::size_t fill();
  std::optional<std::string> take();
  void pass_over();
  void count(std::size_t begin, std::size_t end);

  std::string name_;
  int file_ = 0;
  std::string buffer_;
  std::size_t begin_ = 0;  // where the rest begins
  bool end_ = false;
  std::size_t line_ = 0;
  std::uint64_t given_ = 0;  // bytes
  std::uint64_t size_ = 0;   // of the file; 0: unknown
  std::optional<RowError> lost_;
  Digest digest_;
};

}  // namespace llm::shell
