#include "core/system_error.hpp"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iterator>
#include <new>
#include <string>
#include <system_error>

namespace llm::detail {
namespace {

// Whether the path itself is wrong, and not the reading or writing.
bool is_bad_path(int reason) {
  constexpr int reasons[] = {ENOENT,       ENOTDIR, EISDIR, EACCES, EPERM,     EROFS, ELOOP,
                             ENAMETOOLONG, ENXIO,   EINVAL, EEXIST, ENOTEMPTY, EBADF, ETXTBSY};
  return std::find(std::begin(reasons), std::end(reasons), reason) != std::end(reasons);
}

ErrorCode code_of(int reason, ErrorCode bad_path) {
  if (reason == ENOMEM || reason == EAGAIN) return ErrorCode::out_of_memory;
  return is_bad_path(reason) ? bad_path : ErrorCode::io;
}

[[noreturn]] void fail(ErrorCode code, const std::filesystem::path& file, const char* what,
                       int reason) {
  throw Error(
      code, file.string() + ": cannot be " + what + ": " + std::generic_category().message(reason),
      file.string());
}

}  // namespace

ErrorCode code_of_reading(int reason) { return code_of(reason, ErrorCode::file_not_found); }
ErrorCode code_of_writing(int reason) { return code_of(reason, ErrorCode::invalid_option); }

void fail_reading(const std::filesystem::path& file, const char* what, int reason) {
  fail(code_of_reading(reason), file, what, reason);
}
void fail_writing(const std::filesystem::path& file, const char* what, int reason) {
  fail(code_of_writing(reason), file, what, reason);
}

void rethrow_as_error(const std::filesystem::path& file) {
  const std::string name = file.string();
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, name + ": there is not enough memory to read it", name);
  } catch (const std::filesystem::filesystem_error& error) {
    fail_reading(error.path1().empty() ? file : error.path1(), "read", error.code().value());
  } catch (const std::exception& error) {
    throw Error(ErrorCode::bad_format, name + ": cannot be read: " + error.what(), name);
  }
}

}  // namespace llm::detail
