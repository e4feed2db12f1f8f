#include "shell/input.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/file_roles.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

// Bounds the memory for a line or a file.
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
  buffer.reserve(buffer.size() +
                 sizeof bytes);  // what has been read must not get lost when there is no memory
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

// Where a text begins, after its byte order mark.
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
  const int mode = ::fcntl(STDIN_FILENO, F_GETFL);
  const bool is_closed = mode < 0 || (mode & O_ACCMODE) == O_WRONLY;  // see hold_standard_files()
  return !is_closed && ::isatty(STDIN_FILENO) == 0;
}

std::string read_input(const std::string& path) {
  const int file = open_input(path);
  std::string text;
  while (read_some(file, display_name(path), text)) continue;
  if (file != STDIN_FILENO) ::close(file);
  check_not_interrupted();
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
  lost_.reset();
  std::optional<std::string> line;
  try {
    line = take();
  } catch (const std::bad_alloc&) {
    lost_ = RowError{ErrorCode::out_of_memory, "there is not enough memory to read the line"};
  }
  if (lost_) {
    pass_over();
    line.emplace();
  }
  if (interrupt_flag() || !line) return std::nullopt;  // it may be half a line
  ++line_;
  return line;
}

std::optional<std::string> LineReader::next() {
  std::optional<std::string> line = next_with_cr();
  if (lost_) throw Error(lost_->code, place() + ": " + lost_->message, place());
  if (line && line->ends_with('\r')) line->pop_back();
  return line;
}

// Reads until the buffer has the end of the line, and says where that is; npos when the line is too
// long.
std::size_t LineReader::fill() {
  std::size_t searched = begin_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) return end;
    if (end_) return buffer_.size();
    if (buffer_.size() - begin_ > max_line_bytes) return std::string::npos;
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    end_ = !read_some(file_, name_, buffer_);
  }
}

std::optional<std::string> LineReader::take() {
  const std::size_t end = fill();
  if (line_ == 0) begin_ = text_begin(buffer_, name_);
  if (end == std::string::npos || end > begin_ + max_line_bytes) {
    lost_ = RowError{ErrorCode::invalid_input, "the line has more than " +
                                                   std::to_string(max_line_bytes >> 20) +
                                                   " MiB; it was passed over"};
    return std::nullopt;
  }
  if (begin_ >= buffer_.size()) return std::nullopt;
  std::string line;
  const std::size_t begin = begin_;
  if (end - begin > buffer_.size() / 2) {  // most of the buffer: move it instead of copying
    std::string rest = buffer_.substr(std::min(end + 1, buffer_.size()));
    count(begin, end);
    line = std::exchange(buffer_, std::move(rest));
    line.resize(end);
    line.erase(0, begin);
    begin_ = 0;
  } else {
    line = buffer_.substr(begin, end - begin);
    count(begin, end);
    begin_ = end + 1;
  }
  digest_.add("\n");
  return line;
}

void LineReader::count(std::size_t begin, std::size_t end) {
  digest_.add(std::string_view(buffer_).substr(begin, end - begin));
  given_ += end - begin + 1;
}

// Skips the rest of the line, in constant memory.
void LineReader::pass_over() {
  std::size_t end = buffer_.find('\n', begin_);
  while (end == std::string::npos) {
    count(begin_, std::max(begin_, buffer_.size()));
    std::string().swap(buffer_);
    begin_ = 0;
    if (end_) break;
    end_ = !read_some(file_, name_, buffer_);
    end = buffer_.find('\n');
  }
  if (end != std::string::npos) {
    count(begin_, end);
    buffer_ = std::string(buffer_, end + 1);
    begin_ = 0;
  }
  digest_.add("\n");
}

}  // namespace llm::shell
