// Loaded before the C library: one call of one of its functions fails. LLM_FAIL says which and how,
// as "write 3 28": the third write() fails with error 28; "write 3 half": it does half of its work.
// When that has happened, the file LLM_FAIL_MARK is there.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>

namespace {

constexpr int half = -1;  // instead of an error

struct Plan {
  char function[32] = "";
  std::atomic<int> left{0};
  char how[16] = "";

  Plan() {
    int count = 0;
    const char* const text = getenv("LLM_FAIL");
    if (text != nullptr && sscanf(text, "%31s %d %15s", function, &count, how) == 3) left = count;
  }
};

// 0: the call is not concerned.
int fate(const char* function) {
  static Plan plan;
  if (strcmp(function, plan.function) != 0 || plan.left.fetch_sub(1) != 1) return 0;
  if (const char* const mark = getenv("LLM_FAIL_MARK"); mark != nullptr) {
    const long file = syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0666);
    if (file >= 0) syscall(SYS_close, file);
  }
  return strcmp(plan.how, "half") == 0 ? half : atoi(plan.how);
}

// The function of the C library, or what a call that fails returns.
template <typename Result, typename... Arguments>
Result call(const char* function, Result failed, int error, Arguments... arguments) {
  if (error > 0) {
    errno = error;
    return failed;
  }
  using Function = Result (*)(Arguments...);
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, function))(arguments...);
}

std::size_t part(std::size_t bytes, int error) { return error == half ? (bytes + 1) / 2 : bytes; }

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t count) {
  const int error = fate("write");
  return call("write", ssize_t{-1}, error, file, bytes, part(count, error));
}
ssize_t pwrite(int file, const void* bytes, size_t count, off_t at) {
  const int error = fate("pwrite");
  return call("pwrite", ssize_t{-1}, error, file, bytes, part(count, error), at);
}
ssize_t read(int file, void* bytes, size_t count) {
  const int error = fate("read");
  return call("read", ssize_t{-1}, error, file, bytes, part(count, error));
}
void* mmap(void* address, size_t bytes, int access, int flags, int file, off_t at) noexcept {
  const int error = file < 0 ? 0 : fate("mmap");
  return call("mmap", MAP_FAILED, error, address, bytes, access, flags, file, at);
}
int rename(const char* from, const char* to) noexcept {
  return call("rename", -1, fate("rename"), from, to);
}
int fsync(int file) { return call("fsync", -1, fate("fsync"), file); }
int close(int file) {
  const int error = fate("close");
  const int closed = call("close", -1, 0, file);  // in any case, as the system does
  return error > 0 ? call("close", -1, error, file) : closed;
}
int ftruncate(int file, off_t size) noexcept {
  return call("ftruncate", -1, fate("ftruncate"), file, size);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return call("mkdir", -1, fate("mkdir"), path, mode);
}
int fstat(int file, struct stat* status) noexcept {
  return call("fstat", -1, fate("fstat"), file, status);
}
int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return call("open", -1, fate("open"), path, flags, mode);
}

}  // extern "C"
