// Where data goes: standard output, or a file that gets its name only when it is whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace llm::shell {

// Nobody reads our standard output any more. Not an error: there is nothing left to do.
struct ClosedPipe : std::exception {
  const char* what() const noexcept override { return "the reader closed the pipe"; }
};

class Output {
 public:
  // What becomes of a file that is not finished.
  enum class Unfinished {
    thrown_away,  // removed; it has a random name beside `path`
    kept,         // kept as `path.partial`, which is new
    resumed,      // kept as `path.partial`, which is there already: see cut()
  };
  // `path` empty or "-": standard output. Throws Error (invalid_option) when the file exists
  // without `force`, is an input too, or cannot be made.
  explicit Output(const std::string& path = {}, bool force = false,
                  Unfinished unfinished = Unfinished::thrown_away);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  // Whether `path` is or will be an ordinary file: only then can there be a partial one.
  static bool is_file(const std::string& path);
  // Where a link of that name leads, if that is or will be an ordinary file: the link stays.
  static std::string behind_links(const std::string& path);
  static std::string partial_path(const std::string& path) { return path + ".partial"; }
  // Whether a terminal gets control characters as they are. Otherwise it gets escapes for all of
  // them but tabs and line ends. Files and pipes always get every byte.
  static void set_raw(bool raw);

  // Makes room for so many bytes: write() then needs no memory for them.
  void reserve(std::size_t bytes) { buffer_.reserve(buffer_.size() + bytes); }
  // Buffered. Throws ClosedPipe, or Error (io) with the reason the system gives.
  void write(std::string_view bytes);
  void flush();
  // Replaces bytes that were written before. Throws Error (io) where that is not possible, as in a
  // pipe.
  void overwrite(std::uint64_t offset, std::string_view bytes);
  // Flushes, and gives the file its name.
  void finish();

  // Goes on after the first `bytes` of a partial file, and removes the rest.
  void cut(std::uint64_t bytes);
  // Removes a partial file.
  void discard();

  bool is_stdout() const { return path_.empty(); }

 private:
  void open_file(bool force);
  void open_temporary();
  void open_partial();
  void remove_partial();
  void resume_partial();
  void lock_partial();
  void write_buffer(std::size_t kept);
  [[noreturn]] void fail(int error_number) const;

  std::string path_;       // empty: standard output
  std::string temporary_;  // empty: written in place (standard output, devices, pipes)
  Unfinished unfinished_ = Unfinished::thrown_away;
  bool is_terminal_ = false;
  int file_ = 1;
  std::string buffer_;
};

}  // namespace llm::shell
