#include "shell/output.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "shell/file_roles.hpp"

namespace llm::shell {
namespace {

constexpr std::size_t buffer_bytes = 1 << 16;

bool is_raw = false;  // what set_raw() said

// How many bytes at the end may be the beginning of a character.
std::size_t bytes_of_half_character(std::string_view text) {
  for (std::size_t n = 1; n <= std::min<std::size_t>(3, text.size()); ++n) {
    const auto byte = static_cast<unsigned char>(text[text.size() - n]);
    if (byte >= 0x80 && byte < 0xc0) continue;  // not the first byte of one
    const std::size_t length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return length > n ? n : 0;
  }
  return 0;
}

// Whether it is a file of this user that has no other name.
bool is_own_file(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == ::geteuid();
}

}  // namespace

void Output::set_raw(bool raw) { is_raw = raw; }

Output::Output(const std::string& path, bool force, Unfinished unfinished)
    : unfinished_(unfinished) {
  if (path.empty() || path == "-") {
    is_terminal_ = ::isatty(file_) != 0;
    return;
  }
  path_ = path;
  open_file(force);
}

bool Output::is_file(const std::string& path) {
  struct stat status = {};
  return !path.empty() && path != "-" &&
         (::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode));
}

std::string Output::behind_links(const std::string& path) {
  namespace fs = std::filesystem;
  constexpr int most_links = 40;  // as the system's limit
  if (!is_file(path)) return path;
  fs::path target = path;
  std::error_code failed;
  for (int i = 0; i < most_links && fs::is_symlink(fs::symlink_status(target, failed)); ++i)
    target = target.parent_path() / fs::read_symlink(target, failed);
  return fs::is_symlink(fs::symlink_status(target, failed)) ? path : target.string();
}

void Output::open_file(bool force) {
  struct stat status = {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (!exists && errno != ENOENT) fail(errno);
  if (exists && S_ISDIR(status.st_mode))
    throw Error(ErrorCode::invalid_option, "the output " + quote(path_) + " is a folder", path_);
  if (exists && !S_ISREG(status.st_mode)) {  // a device or pipe cannot be renamed
    file_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail(errno);
    is_terminal_ = ::isatty(file_) != 0;
    return;
  }
  if (exists && !force)
    throw Error(ErrorCode::invalid_option,
                "the output file " + quote(path_) + " exists; give --force to replace it", path_);
  if (exists) note_replacing(path_);
  if (unfinished_ == Unfinished::thrown_away) {
    open_temporary();
  } else {
    open_partial();
  }
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(file_, exists ? status.st_mode & 07777 : 0666 & ~mask);
}

void Output::open_temporary() {
  temporary_ = path_ + ".XXXXXX";
  file_ = ::mkostemp(temporary_.data(), O_CLOEXEC);
  if (file_ >= 0) return;
  const int reason = errno;
  temporary_.clear();
  fail(reason);
}

// Its name is predictable, so there may be a link, or somebody else's file.
void Output::open_partial() {
  temporary_ = partial_path(path_);
  if (unfinished_ == Unfinished::resumed) return resume_partial();
  remove_partial();
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file_ < 0) fail(errno);
  lock_partial();
}

// Unless another run is writing to it.
void Output::remove_partial() {
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file_ >= 0) {
    lock_partial();
    ::close(std::exchange(file_, -1));
  }
  if (::unlink(temporary_.c_str()) != 0 && errno != ENOENT)
    detail::fail_writing(temporary_, "removed", errno);
}

void Output::resume_partial() {
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file_ < 0 && errno != ELOOP && errno != ENXIO) fail(errno);
  struct stat status = {};
  if (file_ < 0 || ::fstat(file_, &status) != 0 || !is_own_file(status))
    throw Error(
        ErrorCode::invalid_option,
        quote(temporary_) +
            " is a link, a pipe or a file of somebody else, which no run leaves; remove it, or "
            "give --force without --resume to begin again",
        temporary_);
  lock_partial();
}

void Output::lock_partial() {
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  throw Error(ErrorCode::invalid_option,
              quote(temporary_) + " is being written by another run; wait for it, or end it",
              temporary_);
}

Output::~Output() {
  if (!path_.empty() && file_ >= 0) ::close(file_);
  if (!temporary_.empty() && unfinished_ == Unfinished::thrown_away) ::unlink(temporary_.c_str());
}

void Output::cut(std::uint64_t bytes) {
  const auto size = static_cast<off_t>(bytes);
  if (::ftruncate(file_, size) != 0 || ::lseek(file_, size, SEEK_SET) != size) fail(errno);
}

void Output::discard() { unfinished_ = Unfinished::thrown_away; }

void Output::fail(int error_number) const {
  if (error_number == EPIPE) throw ClosedPipe();
  std::string reason = std::strerror(error_number);
  if (error_number == EFBIG) reason += "; the limit on the size of files (ulimit -f) is reached";
  if (error_number == ENAMETOOLONG)
    reason += "; a shorter one is needed, as it is written under a longer one";
  throw Error(
      detail::code_of_writing(error_number),
      "cannot write to " + (path_.empty() ? "standard output" : quote(path_)) + ": " + reason,
      path_);
}

void Output::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= buffer_bytes) flush();
}

void Output::flush() { write_buffer(is_terminal_ ? bytes_of_half_character(buffer_) : 0); }

// All but the last bytes.
void Output::write_buffer(std::size_t kept) {
  const std::string rest = buffer_.substr(buffer_.size() - kept);
  std::string bytes = std::exchange(buffer_, rest);
  bytes.resize(bytes.size() - rest.size());
  if (is_terminal_ && !is_raw) bytes = printable(bytes, "\t\n");
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::write(file_, bytes.data() + done, bytes.size() - done);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      fail(errno);
    }
  }
}

void Output::overwrite(std::uint64_t offset, std::string_view bytes) {
  flush();
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = ::pwrite(file_, bytes.data() + done, bytes.size() - done,
                                   static_cast<off_t>(offset + done));
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      fail(errno);
    }
  }
}

void Output::finish() {
  write_buffer(0);
  if (path_.empty()) return;
  // Some file systems say only now that the disk is full.
  const int closed = ::close(std::exchange(file_, -1));
  if (closed != 0 && errno != EINTR) fail(errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  temporary_.clear();
}

}  // namespace llm::shell
