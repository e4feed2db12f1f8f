// What the operating system refuses, as Errors.
#pragma once

#include <filesystem>

#include "llm/core/error.hpp"

namespace llm::detail {

// The kinds of an errno: of a file that is to be read, and of one that is to be written, where a
// path that cannot be written is the caller's choice and what happens on the way is not.
ErrorCode code_of_reading(int reason);
ErrorCode code_of_writing(int reason);

// Throw Error: "FILE: cannot be opened: No such file or directory".
[[noreturn]] void fail_reading(const std::filesystem::path& file, const char* what, int reason);
[[noreturn]] void fail_writing(const std::filesystem::path& file, const char* what, int reason);

// To be called in a handler: throws the exception that is handled, as an Error about the file where
// it is none. The last resort of functions that read files.
[[noreturn]] void rethrow_as_error(const std::filesystem::path& file);

}  // namespace llm::detail
