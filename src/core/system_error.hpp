// Errors of the operating system as llm::Error.
#pragma once

#include <filesystem>

#include "llm/core/error.hpp"

namespace llm::detail {

// The error code of an errno, for a file that is read and for one that is written. A path that
// cannot be written to is the caller's choice; what happens while writing is not.
ErrorCode code_of_reading(int reason);
ErrorCode code_of_writing(int reason);

// Throw Error: "FILE: cannot be opened: No such file or directory".
[[noreturn]] void fail_reading(const std::filesystem::path& file, const char* what, int reason);
[[noreturn]] void fail_writing(const std::filesystem::path& file, const char* what, int reason);

// Call it in a handler: rethrows the exception that is handled, as an Error about the file if it is
// none. The last resort of functions that read files.
[[noreturn]] void rethrow_as_error(const std::filesystem::path& file);

}  // namespace llm::detail
