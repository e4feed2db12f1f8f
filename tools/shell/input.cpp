#include "shell/input.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "llm/core/error.hpp"
#include "shell/file_roles.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

// Bounds what a line or a file may make us hold.
constexpr std::size_t max_input_bytes = std::size_t{1} << 30;

std::string display_name(const std::string& path) { return path == "-" ? "standard input" : path; }

int open_input(const std::string& path) {
  const int file = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) bad_input(path, std::string("cannot be read: ") + std::strerror(errno));
  note_reading(file, display_name(path));
  return file;
}

// Appends what there is; false at the end or after a signal.
bool read_some(int file, const std::string& name, std::string& buffer) {
  if (buffer.size() > max_input_bytes) bad_input(name, "more than 1 GiB without a line end");
  char bytes[1 << 16];
  for (;;) {
    const ssize_t count = ::read(file, bytes, sizeof bytes);
    if (count > 0) {
      buffer.append(bytes, static_cast<std::size_t>(count));
      return true;
    }
    if (count == 0 || (errno == EINTR && interrupt_flag())) return false;
    if (errno != EINTR) bad_input(name, std::string("cannot be read: ") + std::strerror(errno));
  }
}

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

// Where a text begins, behind its byte order mark.
std::size_t text_begin(std::string_view text, const std::string& name) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
    bad_input(name, "is UTF-16; convert it to UTF-8 first, for example with iconv");
  return text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
}

}  // namespace

void bad_input(const std::string& place, const std::string& what) {
  throw Error(ErrorCode::invalid_input, place + ": " + what, place);
}

bool stdin_is_piped() {
  struct stat status = {};
  return ::fstat(STDIN_FILENO, &status) == 0 && ::isatty(STDIN_FILENO) == 0;
}

std::string read_input(const std::string& path) {
  const int file = open_input(path);
  std::string text;
  while (read_some(file, display_name(path), text)) continue;
  if (file != STDIN_FILENO) ::close(file);
  text.erase(0, text_begin(text, display_name(path)));
  return text;
}

std::string without_last_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

LineReader::LineReader(const std::string& path)
    : name_(display_name(path)), file_(open_input(path)) {
  struct stat status = {};
  if (::fstat(file_, &status) == 0 && S_ISREG(status.st_mode))
    size_ = static_cast<std::uint64_t>(status.st_size);
}

LineReader::~LineReader() {
  if (file_ != STDIN_FILENO) ::close(file_);
}

std::string LineReader::place(std::size_t line) const {
  return name_ + ", line " + std::to_string(line);
}

std::optional<double> LineReader::fraction() const {
  if (size_ == 0) return std::nullopt;
  return static_cast<double>(given_) / static_cast<double>(size_);
}

std::optional<std::string> LineReader::next_with_cr() {
  std::size_t searched = begin_;
  std::size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos && !end_) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    end_ = !read_some(file_, name_, buffer_);
    end = buffer_.find('\n', searched);
  }
  if (interrupt_flag()) return std::nullopt;  // the line may be half a line
  if (end == std::string::npos) end = buffer_.size();
  if (line_ == 0 && begin_ == 0) begin_ = text_begin(buffer_, name_);
  if (begin_ >= buffer_.size()) return std::nullopt;
  ++line_;
  std::string line = buffer_.substr(begin_, end - begin_);
  given_ += line.size() + 1;
  begin_ = end + 1;
  return line;
}

std::optional<std::string> LineReader::next() {
  std::optional<std::string> line = next_with_cr();
  if (line && line->ends_with('\r')) line->pop_back();
  return line;
}

}  // namespace llm::shell
