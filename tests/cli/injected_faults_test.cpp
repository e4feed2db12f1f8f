// Every call of the system that reads or writes a file fails once: nothing is half there, nothing
// is lost, and a run that goes on gives the bytes of one that was never disturbed. Kills, too.
#include <errno.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <random>

#include "cli/run_command.hpp"
#include "support/read_text.hpp"
#include "support/sanitized.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_injected {
namespace {

namespace fs = std::filesystem;

class InjectedFaults : public testing::Test {
 protected:
  void SetUp() override {
    if (is_sanitized) GTEST_SKIP() << "a sanitizer has its own calls";
  }

  std::string path(const char* name) const { return (folder_.path() / name).string(); }

  // The n-th call fails; nothing when there are fewer.
  std::optional<Outcome> fail(const std::vector<std::string>& arguments,
                              const std::string& function, int n, const std::string& how) const {
    Command command;
    command.arguments = arguments;
    command.environment = {{"LD_PRELOAD", LLM_FAIL_CALLS},
                           {"LLM_FAIL", function + " " + std::to_string(n) + " " + how},
                           {"LLM_FAIL_MARK", path("mark")}};
    Outcome outcome = run(command);
    if (!fs::remove(path("mark"))) return std::nullopt;
    return outcome;
  }

  static void expect_one_error(const Outcome& outcome) {
    EXPECT_TRUE(outcome.exit_code == 2 || outcome.exit_code == 3 || outcome.exit_code == 4 ||
                outcome.exit_code == 7)
        << outcome.exit_code;
    EXPECT_EQ(outcome.err.rfind("llm-generate: error: "), 0U) << outcome.err;
  }

  const TempDir folder_;
};

// Ends a half write or an interrupted one early, but not the work.
const std::vector<std::pair<std::string, std::string>> harmless = {
    {"write", "half"},
    {"write", std::to_string(EINTR)},
    {"pwrite", "half"},
    {"pwrite", std::to_string(EINTR)},
    {"read", "half"},
    {"read", std::to_string(EINTR)},
    {"fsync", std::to_string(EINTR)},
    {"close", std::to_string(EINTR)},
};

const std::vector<std::pair<std::string, std::string>> harmful = {
    {"write", std::to_string(ENOSPC)},  {"pwrite", std::to_string(EIO)},
    {"read", std::to_string(EIO)},      {"mmap", std::to_string(ENOMEM)},
    {"rename", std::to_string(EACCES)}, {"fsync", std::to_string(EIO)},
    {"close", std::to_string(EDQUOT)},  {"ftruncate", std::to_string(EIO)},
    {"open", std::to_string(EMFILE)},   {"fstat", std::to_string(EIO)},
    {"mkdir", std::to_string(EROFS)},
};

class InjectedRows : public InjectedFaults {
 protected:
  std::vector<std::string> command(const std::string& out, const std::string& more = "-q") const {
    return {"-q", "-m", gpt2, "-t", "1", "--input", rows_, "-o", out, "--jsonl", "-n", "3", more};
  }
  void SetUp() override {
    InjectedFaults::SetUp();
    ASSERT_EQ(run(command(path("whole"))).exit_code, 0);
    expected_ = read_text(path("whole"));
  }

  const std::string rows_ =
      folder_.write("rows.jsonl", "{\"text\":\"Once\"}\n{\"text\":\"upon\"}\n{\"text\":\"a\"}\n")
          .string();
  std::string expected_;
};

TEST_F(InjectedRows, AreSurvived) {
  for (const auto& [function, how] : harmless) {
    for (int n = 1; n < 200; ++n) {
      SCOPED_TRACE(function + " " + std::to_string(n) + " " + how);
      const auto outcome = fail(command(path("out")), function, n, how);
      if (!outcome) break;
      EXPECT_EQ(outcome->exit_code, 0) << outcome->err;
      EXPECT_EQ(read_text(path("out")), expected_);
      fs::remove(path("out"));
    }
    fs::remove(path("out"));
  }
}

TEST_F(InjectedRows, LoseNothing) {
  for (const auto& [function, how] : harmful) {
    for (int n = 1; n < 200; ++n) {
      SCOPED_TRACE(function + " " + std::to_string(n) + " " + how);
      const auto outcome = fail(command(path("out")), function, n, how);
      if (!outcome) break;
      if (outcome->exit_code != 0) {
        expect_one_error(*outcome);
        EXPECT_FALSE(fs::exists(path("out")));
        const Outcome resumed = run(command(path("out"), "--resume"));
        EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
      }
      EXPECT_EQ(read_text(path("out")), expected_);
      for (const char* name : {"out", "out.partial", "out.partial.run"}) fs::remove(path(name));
    }
    fs::remove(path("out"));
  }
}

using InjectedPacking = InjectedFaults;

TEST_F(InjectedPacking, IsWholeOrNotThere) {
  const std::vector<std::string> ask = {"-m", path("packed"), "-n", "4", "Once"};
  const std::vector<std::string> pack = {"pack", "-t", "1", "-m", llama, "-o", path("packed")};
  const std::string expected = run({"-m", llama, "-n", "4", "Once"}).out;
  for (const auto* faults : {&harmless, &harmful}) {
    for (const auto& [function, how] : *faults) {
      for (int n = 1; n < 200; ++n) {
        SCOPED_TRACE(function + " " + std::to_string(n) + " " + how);
        const auto outcome = fail(pack, function, n, how);
        if (!outcome) break;
        EXPECT_TRUE(faults == &harmful || outcome->exit_code == 0) << outcome->err;
        if (outcome->exit_code == 0) {
          EXPECT_EQ(run(ask).out, expected);
          fs::remove_all(path("packed"));
        } else {
          expect_one_error(*outcome);
        }
        EXPECT_TRUE(fs::is_empty(folder_.path()));
      }
      fs::remove_all(path("packed"));
    }
  }
}

// Killed at any time, there is a whole folder or none of that name.
TEST_F(InjectedPacking, SurvivesKills) {
  const std::string expected = run({"-m", llama, "-n", "4", "Once"}).out;
  std::mt19937 random(7);
  for (int kills = 0; kills < 30;) {
    Command command;
    command.arguments = {"pack", "-m", llama, "-o", path("packed")};
    command.kill_after_ms = static_cast<int>(random() % 40);
    if (run(command).exit_code == 128 + SIGKILL) ++kills;
    if (!fs::exists(path("packed"))) continue;
    EXPECT_EQ(run({"-m", path("packed"), "-n", "4", "Once"}).out, expected);
    fs::remove_all(path("packed"));
  }
}

// The same for an output of one text, which is never called by its name before it is whole.
TEST_F(InjectedFaults, ATextIsWholeOrNotThere) {
  const std::string expected = run({"-m", gpt2, "-n", "60", "Once"}).out;
  std::mt19937 random(8);
  for (int kills = 0; kills < 30;) {
    Command command;
    command.arguments = {"-m", gpt2, "-n", "60", "Once", "-o", path("out")};
    command.kill_after_ms = static_cast<int>(random() % 60);
    if (run(command).exit_code == 128 + SIGKILL) ++kills;
    if (!fs::exists(path("out"))) continue;
    EXPECT_EQ(read_text(path("out")), expected);
    fs::remove(path("out"));
  }
}

}  // namespace
}  // namespace llm::test::cli_injected
