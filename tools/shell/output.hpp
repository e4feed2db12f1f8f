// Where data goes: standard output, or a file that appears under its name only when it is whole.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace llm::shell {

// The reader of our standard output has gone: not an error, there is just nothing left to do.
struct ClosedPipe : std::exception {
  const char* what() const noexcept override { return "the reader closed the pipe"; }
};

class Output {
 public:
  // `path` empty or "-": standard output. Throws Error (invalid_option) when the file exists and
  // `force` is not given, io when it cannot be made.
  explicit Output(const std::string& path = {}, bool force = false);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  // Without finish() a file is thrown away.
  ~Output();

  // Buffered. Throws ClosedPipe, or Error (io) with the reason the system gives.
  void write(std::string_view bytes);
  void flush();
  // Flushes and gives the file its name.
  void finish();

  bool is_stdout() const { return path_.empty(); }

 private:
  void open_file(bool force);
  [[noreturn]] void fail(int error_number) const;

  std::string path_;       // empty: standard output
  std::string temporary_;  // empty: written in place (standard output, devices, pipes)
  int file_ = 1;
  std::string buffer_;
};

}  // namespace llm::shell
