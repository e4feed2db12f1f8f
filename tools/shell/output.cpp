#include "shell/output.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/file_roles.hpp"

namespace llm::shell {
namespace {

constexpr std::size_t buffer_bytes = 1 << 16;

// Whether the path itself is wrong, and not what became of a file on its way.
bool is_bad_path(int error_number) {
  for (const int reason :
       {ENOENT, ENOTDIR, EISDIR, EACCES, EPERM, EROFS, ENAMETOOLONG, ELOOP, ENXIO, EINVAL})
    if (error_number == reason) return true;
  return false;
}

}  // namespace

Output::Output(const std::string& path, bool force, Unfinished unfinished)
    : keep_(unfinished == Unfinished::kept) {
  if (path.empty() || path == "-") return;
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
  std::error_code failed;
  if (!is_file(path) || !fs::is_symlink(path, failed)) return path;
  const fs::path target = fs::weakly_canonical(path, failed);
  if (!failed && !fs::is_symlink(target, failed)) return target.string();
  return fs::absolute(path).parent_path() / fs::read_symlink(path, failed);  // to what is not there
}

void Output::open_file(bool force) {
  struct stat status = {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    throw Error(ErrorCode::invalid_option, "the output " + quote(path_) + " is a folder", path_);
  if (exists && !S_ISREG(status.st_mode)) {  // a device or pipe: nothing to rename
    file_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (file_ < 0) fail(errno);
    return;
  }
  if (exists && !force)
    throw Error(ErrorCode::invalid_option,
                "the output file " + quote(path_) + " exists; give --force to replace it", path_);
  if (exists) note_replacing(path_);
  if (keep_) {
    open_partial();
  } else {
    open_temporary();
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

void Output::open_partial() {
  temporary_ = partial_path(path_);
  file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) fail(errno);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
    throw Error(ErrorCode::invalid_option,
                quote(temporary_) + " is being written by another run; wait for it, or end it",
                temporary_);
}

Output::~Output() {
  if (!path_.empty() && file_ >= 0) ::close(file_);
  if (!temporary_.empty() && !keep_) ::unlink(temporary_.c_str());
}

void Output::cut(std::uint64_t bytes) {
  const auto size = static_cast<off_t>(bytes);
  if (::ftruncate(file_, size) != 0 || ::lseek(file_, size, SEEK_SET) != size) fail(errno);
}

void Output::discard() { keep_ = false; }

void Output::fail(int error_number) const {
  if (error_number == EPIPE) throw ClosedPipe();
  throw Error(is_bad_path(error_number) ? ErrorCode::invalid_option : ErrorCode::io,
              "cannot write to " + (path_.empty() ? "standard output" : quote(path_)) + ": " +
                  std::strerror(error_number),
              path_);
}

void Output::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= buffer_bytes) flush();
}

void Output::flush() {
  std::size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t count = ::write(file_, buffer_.data() + done, buffer_.size() - done);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      const int reason = errno;
      buffer_.clear();
      fail(reason);
    }
  }
  buffer_.clear();
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
  flush();
  if (path_.empty()) return;
  // Some file systems tell only now that there was no room.
  const int closed = ::close(std::exchange(file_, -1));
  if (closed != 0) fail(errno);
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(errno);
  temporary_.clear();
}

}  // namespace llm::shell
