#include "shell/input.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <limits>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

using detail::Json;

// Bounds what a line or a file may make us hold.
constexpr std::size_t max_input_bytes = std::size_t{1} << 30;

std::string display_name(const std::string& path) { return path == "-" ? "standard input" : path; }

[[noreturn]] void fail(const std::string& place, const std::string& what) {
  throw Error(ErrorCode::invalid_input, place + ": " + what, place);
}

int open_input(const std::string& path) {
  if (path == "-") return STDIN_FILENO;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, std::string("cannot be read: ") + std::strerror(errno));
  return file;
}

// Appends what there is; false at the end or after a signal.
bool read_some(int file, const std::string& name, std::string& buffer) {
  if (buffer.size() > max_input_bytes) fail(name, "more than 1 GiB without a line end");
  char block[1 << 16];
  for (;;) {
    const ssize_t count = ::read(file, block, sizeof block);
    if (count > 0) {
      buffer.append(block, static_cast<std::size_t>(count));
      return true;
    }
    if (count == 0 || (errno == EINTR && interrupt_flag())) return false;
    if (errno != EINTR) fail(name, std::string("cannot be read: ") + std::strerror(errno));
  }
}

}  // namespace

bool stdin_is_piped() {
  struct stat status = {};
  return ::fstat(STDIN_FILENO, &status) == 0 && ::isatty(STDIN_FILENO) == 0;
}

std::string read_input(const std::string& path) {
  const int file = open_input(path);
  std::string text;
  while (read_some(file, display_name(path), text)) continue;
  if (file != STDIN_FILENO) ::close(file);
  return text;
}

std::string without_last_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

LineReader::LineReader(const std::string& path)
    : name_(display_name(path)), file_(open_input(path)) {}

LineReader::~LineReader() {
  if (file_ != STDIN_FILENO) ::close(file_);
}

std::string LineReader::place() const { return name_ + ", line " + std::to_string(line_); }

std::optional<std::string> LineReader::next() {
  std::size_t searched = begin_;
  std::size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos && !end_) {
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    end_ = !read_some(file_, name_, buffer_);
    end = buffer_.find('\n', searched);
  }
  if (end == std::string::npos) end = buffer_.size();
  if (begin_ >= buffer_.size()) return std::nullopt;
  ++line_;
  std::string line = buffer_.substr(begin_, end - begin_);
  begin_ = end + 1;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

namespace {

Json parse_line(const std::string& line, const std::string& place) {
  try {
    return detail::parse_json(line, place);
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_input, error.what(), place);  // data, not a model's file
  }
}

std::vector<TokenId> ids_of(const Json& value, const std::string& place) {
  if (!value.is_array()) fail(place, "\"ids\" must be a list of token ids");
  std::vector<TokenId> ids;
  ids.reserve(value.size());
  for (const Json& id : value) {
    if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<TokenId>::max())
      fail(place, "\"ids\" holds " + id.dump().substr(0, 80) + ", which is not a token id");
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

std::string id_of(const Json& row, std::size_t line, const std::string& place) {
  const auto id = row.find("id");
  if (id == row.end() || id->is_null()) return Json(std::to_string(line)).dump();
  if (!id->is_string() && !id->is_number()) fail(place, "\"id\" must be a string or a number");
  return id->dump();
}

}  // namespace

RowReader::RowReader(const std::string& path, std::string field)
    : lines_(path), field_(std::move(field)) {}

std::optional<InputRow> RowReader::next() {
  std::optional<std::string> line;
  do {
    line = lines_.next();
    if (!line) return std::nullopt;
  } while (line->find_first_not_of(" \t") == std::string::npos);
  const std::string place = lines_.place();
  const Json json = parse_line(*line, place);
  if (!json.is_object())
    fail(place, "expected a JSON object, got " + std::string(json.type_name()));
  InputRow row{id_of(json, lines_.line_number(), place), place, std::nullopt, {}};
  const auto text = json.find(field_);
  const auto ids = json.find("ids");
  if (text != json.end()) {
    if (!text->is_string())
      fail(place, quote(field_) + " must be a string, got " + text->type_name());
    row.text = text->get<std::string>();
  } else if (ids != json.end()) {
    row.ids = ids_of(*ids, place);
  } else {
    fail(place, "the row has neither " + quote(field_) + " nor \"ids\"; --field names the text");
  }
  return row;
}

}  // namespace llm::shell
