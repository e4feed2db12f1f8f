// Runs something in a process of its own, because what it breaks stays with it.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <string>

namespace llm::test {

// `action` returns what is wrong, or nothing. It is killed when it takes longer than `seconds`.
inline void expect_in_child(const std::function<std::string()>& action, unsigned seconds = 60) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(seconds);
    std::string problem;
    try {
      problem = action();
    } catch (const std::exception& error) {
      problem = std::string("threw ") + error.what();
    }
    if (!problem.empty()) std::fprintf(stderr, "%s\n", problem.c_str());
    ::_exit(problem.empty() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_FALSE(WIFSIGNALED(status)) << "ended by signal " << WTERMSIG(status);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : 0, 0);
}

}  // namespace llm::test
