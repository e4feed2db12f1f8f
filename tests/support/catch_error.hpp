// Runs something that must throw llm::Error and returns the error for a closer look.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "llm/core/error.hpp"

namespace llm::test {

template <typename Action>
Error catch_error(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no llm::Error was thrown";
  return Error(ErrorCode::internal, "no llm::Error was thrown");
}

// Expects an Error of that code whose sentence contains `part`.
template <typename Action>
void expect_error(ErrorCode code, const std::string& part, const Action& action) {
  const Error error = catch_error(action);
  EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
      << "expected \"" << part << "\" in: " << error.what();
}

}  // namespace llm::test
