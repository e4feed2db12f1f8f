// The exit codes of llm-generate, and which error ends in which.
#pragma once

#include "llm/core/error.hpp"

namespace llm::shell {

enum ExitCode : int {
  exit_ok = 0,
  exit_internal = 1,  // also: verify found a difference
  exit_usage = 2,
  exit_model = 3,  // the model cannot be loaded or is not supported
  exit_input = 4,
  exit_some_rows_failed = 5,
  exit_too_long = 6,
  exit_limit = 7,  // out of memory, time or room for output
  exit_interrupted = 130,
  exit_terminated = 143,
};

constexpr ExitCode exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::internal:
      return exit_internal;
    case ErrorCode::invalid_option:
      return exit_usage;
    case ErrorCode::file_not_found:
    case ErrorCode::bad_format:
    case ErrorCode::unsupported:
    case ErrorCode::tensor_mismatch:
      return exit_model;
    case ErrorCode::invalid_input:
      return exit_input;
    case ErrorCode::context_overflow:
      return exit_too_long;
    case ErrorCode::io:
    case ErrorCode::out_of_memory:
    case ErrorCode::time_limit:
      return exit_limit;
    case ErrorCode::interrupted:
      return exit_interrupted;
  }
  return exit_internal;
}

}  // namespace llm::shell
