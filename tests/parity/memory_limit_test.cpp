// Too little memory, or room on the disk: one clear error, nothing left over, and the next attempt
// with enough of it succeeds in the same process.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "support/paths.hpp"
#include "support/sanitized.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;

// In a process of its own, because limits and what they break stay with it. `action` returns what
// is wrong, or nothing.
void expect_in_child(const std::function<std::string()>& action) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
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
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

// Bytes of address space in use.
rlim_t size_of_process() {
  std::ifstream statm("/proc/self/statm");
  rlim_t pages = 0;
  statm >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t mappings_of(const fs::path& folder) {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find(folder.filename().string()) != std::string::npos;
  }
  return count;
}

std::size_t threads_of_process() {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()));
}

// Loads with more and more memory until it succeeds, so that every allocation fails once.
std::string load_with_little_memory(const fs::path& model, const llm::LoadOptions& options) {
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  const rlim_t used = size_of_process();
  std::size_t failures = 0;
  for (rlim_t extra = 0;; extra += 16 << 10) {
    limit.rlim_cur = used + extra;
    ::setrlimit(RLIMIT_AS, &limit);
    bool loaded = false;
    try {
      llm::Model<float>::load(model, options);
      loaded = true;
    } catch (const llm::Error& error) {
      if (error.code() != llm::ErrorCode::out_of_memory) return error.what();
    }
    limit.rlim_cur = RLIM_INFINITY;
    ::setrlimit(RLIMIT_AS, &limit);
    if (mappings_of(model) != 0) return "a file is still mapped";
    if (threads_of_process() != 1) return "threads are left";
    if (loaded) break;
    if (++failures > 10000) return "never succeeds";
  }
  if (failures == 0) return "the limit was not felt";
  llm::Model<float>::load(model, options);
  return "";
}

TEST(MemoryLimit, LoadingFailsCleanlyAndCanBeRepeated) {
  if (llm::test::is_sanitized) GTEST_SKIP() << "a sanitizer takes the address space";
  for (const char* name : {"llama-wide", "gpt2-bin", "gguf-llama-q4_1", "t5-v1_1"}) {
    for (const int threads : {1, 3}) {
      SCOPED_TRACE(name);
      expect_in_child([&] {
        return load_with_little_memory(llm::test::models_dir() / name,
                                       {.threads = threads, .weights = llm::WeightType::int4});
      });
    }
  }
}

TEST(MemoryLimit, PackingOnAFullDiskLeavesNothing) {
  const llm::test::TempDir dir;
  expect_in_child([&]() -> std::string {
    std::signal(SIGXFSZ, SIG_IGN);
    for (const rlim_t bytes : {rlim_t{0}, rlim_t{1000}, rlim_t{50000}}) {
      const rlimit limit{bytes, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      try {
        llm::pack_model(llm::test::models_dir() / "llama-wide", dir.path() / "packed");
        return "packed on a full disk";
      } catch (const llm::Error& error) {
        if (error.code() != llm::ErrorCode::io) return error.what();
      }
      if (!fs::is_empty(dir.path())) return "something is left";
    }
    return "";
  });
  llm::pack_model(llm::test::models_dir() / "llama-wide", dir.path() / "packed");
}

}  // namespace
