// The file beside a partial output: a line that describes the run, then two slots of fixed size
// that are written in turns, so that one of them is whole whenever the program ends.
#include "shell/row_checkpoint.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "core/system_error.hpp"
#include "llm/core/error.hpp"

namespace llm::shell {
namespace {

constexpr std::size_t slot_bytes = 256;
constexpr std::size_t max_header_bytes = std::size_t{16} << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::invalid_option,
              path + ": " + what + "; give --force without --resume to begin again", "--resume");
}

// Once more when a signal comes between.
ssize_t read_block(int file, const std::string& path, std::span<char> bytes) {
  for (;;) {
    const ssize_t count = ::read(file, bytes.data(), bytes.size());
    if (count >= 0) return count;
    if (errno != EINTR) detail::fail_writing(path, "read", errno);
  }
}

std::string read_checkpoint(int file, const std::string& path) {
  std::string text;
  std::vector<char> block(1 << 16);
  while (const ssize_t count = read_block(file, path, block)) {
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > max_header_bytes) refuse(path, "does not say which run it is from");
  }
  return text;
}

void write_at(int file, const std::string& path, std::string_view bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file, bytes.data(), bytes.size(), at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) detail::fail_writing(path, "written", errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    at += count;
  }
}

std::uint64_t digest_of(const std::string& text) {
  Digest digest;
  digest.add(text);
  return digest.value();
}

// One line of slot_bytes: the numbers, and a check over them.
std::string to_slot(const RunProgress& progress) {
  OrderedJson json = {{"rows", progress.rows},         {"failed", progress.failed},
                      {"results", progress.results},   {"late", progress.late},
                      {"bytes", progress.bytes},       {"output", progress.output_digest},
                      {"input", progress.input_digest}};
  json["check"] = digest_of(json.dump());
  std::string text = json.dump();
  text.resize(slot_bytes - 1, ' ');
  return text + '\n';
}

// nullopt for a slot that was never written, or only in part.
std::optional<RunProgress> from_slot(std::string_view text) {
  OrderedJson json = OrderedJson::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("check")) return std::nullopt;
  const OrderedJson check = json["check"];
  json.erase("check");
  if (check != digest_of(json.dump())) return std::nullopt;
  for (const char* name : {"rows", "failed", "results", "late", "bytes", "output", "input"})
    if (!json.contains(name) || !json[name].is_number_unsigned()) return std::nullopt;
  return RunProgress{json["rows"],  json["failed"], json["results"], json["late"],
                     json["bytes"], json["output"], json["input"]};
}

// Whether the first bytes of the file are those that were written.
bool bears_out(const std::string& output, const RunProgress& progress) {
  const int file = ::open(output.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) detail::fail_writing(output, "read", errno);
  Digest digest;
  std::uint64_t left = progress.bytes;
  std::vector<char> block(1 << 16);
  while (left > 0) {
    const ssize_t count = read_block(
        file, output, std::span(block).first(std::min<std::uint64_t>(left, block.size())));
    if (count == 0) break;
    digest.add({block.data(), static_cast<std::size_t>(count)});
    left -= static_cast<std::uint64_t>(count);
  }
  ::close(file);
  return left == 0 && digest.value() == progress.output_digest;
}

// Refuses a file of another run than this one.
void compare(const std::string& path, const OrderedJson& then, const OrderedJson& now) {
  if (then == now) return;
  const auto value = [](const OrderedJson& run, const std::string& name) {
    return run.contains(name) ? dump(run[name]).substr(0, 200) : "not given";
  };
  for (const OrderedJson* run : {&now, &then})
    for (const auto& [name, ignored] : run->items())
      if (value(then, name) != value(now, name))
        refuse(path, "is from another run: " + name + " was " + value(then, name) + ", now it is " +
                         value(now, name));
  refuse(path, "is from a run with its options in another order");
}

}  // namespace

Checkpoint::~Checkpoint() {
  if (file_ >= 0) ::close(file_);
}

void Checkpoint::create(const OrderedJson& identity, std::uint64_t seed) {
  remove();
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (file_ < 0) detail::fail_writing(path_, "made", errno);
  seed_ = seed;
  const std::string header = dump({{"run", identity}, {"seed", seed}}) + '\n';
  header_bytes_ = header.size();
  const std::string text =
      header + std::string(2 * slot_bytes, ' ');  // makes room before it is needed
  write_at(file_, path_, text, 0);
  save(RunProgress{.output_digest = Digest().value(), .input_digest = Digest().value()});
}

RunProgress Checkpoint::open(const OrderedJson& identity, const std::string& output) {
  file_ = ::open(path_.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file_ < 0) refuse(path_, "cannot be read, but " + output + " is there");
  const std::string text = read_checkpoint(file_, path_);
  const std::size_t end = text.find('\n');
  const OrderedJson header = end == std::string::npos
                                 ? OrderedJson()
                                 : OrderedJson::parse(text.substr(0, end), nullptr, false);
  if (!header.is_object() || !header.contains("run") || !header.contains("seed") ||
      !header["run"].is_object() || !header["seed"].is_number_unsigned())
    refuse(path_, "does not say which run it is from");
  compare(path_, header["run"], identity);
  seed_ = header["seed"];
  header_bytes_ = end + 1;
  std::vector<std::pair<RunProgress, int>> found;
  for (int slot = 0; slot < 2; ++slot) {
    const std::size_t at =
        std::min(header_bytes_ + static_cast<std::size_t>(slot) * slot_bytes, text.size());
    if (const auto progress = from_slot(std::string_view(text).substr(at, slot_bytes)))
      found.emplace_back(*progress, slot);
  }
  if (found.empty()) refuse(path_, "does not say how far its run got");
  if (found.size() == 2 && found[0].first.rows < found[1].first.rows) std::swap(found[0], found[1]);
  const auto& [progress, slot] = found[0];
  if (!bears_out(output, progress)) refuse(output, "is not what the stopped run wrote");
  slot_ = 1 - slot;
  return progress;
}

void Checkpoint::save(const RunProgress& progress) {
  const std::string slot = to_slot(progress);
  const auto at = static_cast<off_t>(header_bytes_ + static_cast<std::size_t>(slot_) * slot_bytes);
  write_at(file_, path_, slot, at);
  slot_ = 1 - slot_;
}

void Checkpoint::remove() { ::unlink(path_.c_str()); }

}  // namespace llm::shell
