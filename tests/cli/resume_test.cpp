// Runs that were stopped, and runs that go on with them: nothing is lost, repeated or mixed up.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <random>

#include "cli/run_command.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_resume {
namespace {

namespace fs = std::filesystem;

// A file of prompts, some of them bad.
std::string many_rows(int count) {
  std::string rows;
  for (int i = 0; i < count; ++i) {
    if (i % 17 == 3) {
      rows += "{\"text\":\n";
    } else {
      rows += "{\"id\":\"r" + std::to_string(i) + "\",\"text\":\"Once upon " + std::to_string(i) +
              " times\"}\n";
    }
  }
  return rows;
}

class Resume : public testing::Test {
 protected:
  std::vector<std::string> command(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"-q",      "-m",  gpt2,          "-t", "1",
                                          "--input", rows_, "-o",          out_, "--jsonl",
                                          "-n",      "8",   "--do-sample", "-s", "3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // Runs until it is killed; whether it was.
  bool killed(int after_ms, const std::vector<std::string>& more) const {
    Command killed;
    killed.arguments = command(more);
    killed.kill_after_ms = after_ms;
    return run(killed).exit_code == 128 + SIGKILL;
  }
  // Leaves a partial output with at least one row.
  void stop_half_way() const {
    for (int ms = 40; !fs::exists(partial_) || fs::file_size(partial_) == 0; ms += 20)
      ASSERT_TRUE(killed(ms, {"--force"})) << "the run ended too soon";
  }
  void refused(const std::vector<std::string>& arguments, const std::string& part) const {
    const std::string before = read_text(partial_);
    const Outcome result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result.err;
    EXPECT_EQ(read_text(partial_), before);
    EXPECT_FALSE(fs::exists(out_));
  }

  const TempDir folder_;
  const std::string rows_ = folder_.write("rows.jsonl", many_rows(800)).string();
  const std::string out_ = (folder_.path() / "out.jsonl").string();
  const std::string partial_ = out_ + ".partial";
};

TEST_F(Resume, AfterManyKillsGivesTheSameBytes) {
  const Outcome whole = run({"-q", "-m", gpt2, "--input", rows_, "--jsonl", "-n", "8",
                             "--do-sample", "-s", "3", "--batch-size", "3"});
  EXPECT_EQ(whole.exit_code, 5) << whole.err;
  std::mt19937 random(5);
  int kills = 0;
  for (int round = 0; kills < 50; ++round) {
    fs::remove(out_);
    ASSERT_LT(round, 50);
    const std::string batch = std::to_string(1 + random() % 9);
    while (killed(static_cast<int>(15 + random() % 80), {"--resume", "--batch-size", batch}))
      ++kills;
    ASSERT_EQ(read_text(out_), whole.out) << "after " << kills << " kills";
    EXPECT_FALSE(fs::exists(partial_));
    EXPECT_FALSE(fs::exists(partial_ + ".run"));
  }
}

TEST_F(Resume, RefusesWhatIsNotItsOwn) {
  stop_half_way();
  refused(command({}), "is left from a run that was stopped");
  refused(command({"--resume", "--top-k", "3"}), "--top-k was not given, now it is [\"3\"]");
  refused(command({"--resume", "-n", "9"}), "--max-new-tokens was [\"8\"]");
  refused(command({"--resume", "--keep", "text"}), "--keep was not given");
  refused(command({"--resume", "--shard", "1/2"}), "--shard was not given");
  std::vector<std::string> other_model = command({"--resume"});
  other_model[2] = fixture("gpt2-relu");
  refused(other_model, "model was");
  const std::string rows = read_text(rows_);
  folder_.write("rows.jsonl", "{\"text\":\"other\"}\n" + rows);
  refused(command({"--resume"}), "its first rows are others");
  folder_.write("rows.jsonl", rows.substr(0, 100));
  refused(command({"--resume"}), "its first rows are others");
  folder_.write("rows.jsonl", rows);
  const std::string partial = read_text(partial_);
  folder_.write("out.jsonl.partial", "x" + partial);
  refused(command({"--resume"}), "is not what the stopped run wrote");
  folder_.write("out.jsonl.partial", partial);
  fs::rename(partial_ + ".run", partial_ + ".away");
  refused(command({"--resume"}), "cannot be read");
  folder_.write("out.jsonl.partial.run", "{}\n");
  refused(command({"--resume"}), "does not say which run it is from");
  fs::rename(partial_ + ".away", partial_ + ".run");
  EXPECT_EQ(run(command({"--resume"})).exit_code, 5);
  // As after a kill at the very end.
  folder_.write("out.jsonl.partial.run", "{}\n");
  EXPECT_EQ(run(command({"--resume"})).exit_code, 2);  // it is whole: nothing is replaced
  EXPECT_FALSE(fs::exists(partial_ + ".run"));
}

TEST_F(Resume, AfterCtrlC) {
  const Outcome whole = run(command({}));
  const std::string expected = read_text(out_);
  fs::remove(out_);
  Command stopped;
  stopped.program = "/bin/sh";
  stopped.arguments = {"-c", "\"$0\" \"$@\" & sleep 0.1; kill -INT $!; wait $!", LLM_GENERATE};
  for (const std::string& argument : command({"--resume"}))
    stopped.arguments.push_back(argument == "-q" ? "-v" : argument);
  const Outcome result = run(stopped);
  if (result.exit_code == 130) {  // it may have ended before
    EXPECT_NE(result.err.find("interrupted after"), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(out_));
    EXPECT_EQ(run(command({"--resume"})).exit_code, 5);
  }
  EXPECT_EQ(read_text(out_), expected);
}

TEST_F(Resume, AfterAFullDisk) {
  EXPECT_EQ(run(command({})).exit_code, 5);
  const std::string expected = read_text(out_);
  fs::remove(out_);
  Command full;  // no file may have more than 16 blocks of 512 bytes
  full.program = "/bin/sh";
  full.arguments = {"-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"", LLM_GENERATE};
  for (const std::string& argument : command({})) full.arguments.push_back(argument);
  const Outcome result = run(full);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_NE(result.err.find("File too large"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(out_));
  EXPECT_EQ(run(command({"--resume"})).exit_code, 5);
  EXPECT_EQ(read_text(out_), expected);
}

TEST_F(Resume, NeedsAFileToGoOnWith) {
  EXPECT_EQ(run({"-m", gpt2, "--input", rows_, "--resume"}).exit_code, 2);
  EXPECT_EQ(run({"-m", gpt2, "--resume", "-o", out_, "Once"}).exit_code, 2);
}

}  // namespace
}  // namespace llm::test::cli_resume
