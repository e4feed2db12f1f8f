// What surrounds the command: files that are no files, closed descriptors, limits, links where an
// output is to be, a model that changes while it is used.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "cli/run_command.hpp"
#include "support/read_text.hpp"
#include "support/sanitized.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_system {
namespace {

namespace fs = std::filesystem;

// As the shell runs it; "$0" "$@" is the command.
Command in_shell(const std::string& script, const std::vector<std::string>& arguments) {
  Command command;
  command.program = "/bin/sh";
  command.arguments = {"-c", script, LLM_GENERATE};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return command;
}

const std::vector<std::string> ask = {"-m", llama, "-n", "3", "Once"};

std::vector<std::string> ask_for_file(const std::string& file) {
  std::vector<std::string> arguments = ask;
  arguments.insert(arguments.end(), {"-o", file});
  return arguments;
}

TEST(System, StandardFilesMayBeClosed) {
  const TempDir folder;
  const std::string file = (folder.path() / "out").string(), text = run(ask).out;
  expect_failure(in_shell("exec \"$0\" \"$@\" >&-", ask), 2, "cannot write to standard output");
  expect_failure(in_shell("exec \"$0\" \"$@\" <&-", {"-m", llama, "-n", "3", "-f", "-"}), 4,
                 "standard input: cannot be read");
  EXPECT_EQ(run(in_shell("exec \"$0\" \"$@\" <&-", ask)).out, text);
  EXPECT_EQ(run(in_shell("exec \"$0\" \"$@\" 2>&-", ask)).out, text);
  EXPECT_EQ(run(in_shell("exec \"$0\" \"$@\" 2>&-", {"-m", "/nowhere", "x"})).exit_code, 3);
  EXPECT_EQ(run(in_shell("exec \"$0\" \"$@\" <&- >&- 2>&-", ask_for_file(file))).exit_code, 0);
  EXPECT_EQ(read_text(file), text);
}

TEST(System, LimitsHaveMessages) {
  const TempDir folder;
  const std::string file = (folder.path() / "out").string();
  expect_failure(in_shell("ulimit -f 0; exec \"$0\" \"$@\"", ask_for_file(file)), 7,
                 "the limit on the size of files");
  expect_failure(in_shell("ulimit -f 0; exec \"$0\" \"$@\" >'" + file + "'", ask), 7,
                 "the limit on the size of files");
  if (is_sanitized) GTEST_SKIP() << "a sanitizer needs more";
  const std::string rows = folder.write("rows.jsonl", "{\"text\":\"Once\"}\n").string();
  const std::string close_inherited = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ";
  expect_failure(in_shell(close_inherited + "ulimit -n 4; exec \"$0\" \"$@\"",
                          {"-m", llama, "--input", rows, "--jsonl", "-o", file + "2"}),
                 7, "Too many open files");
  const Outcome little = run(in_shell("ulimit -v 60000; exec \"$0\" \"$@\"", ask));
  EXPECT_TRUE(little.exit_code == 0 || little.exit_code == 7) << little.err;
  for (const char* threads : {"1025", "4096"})
    EXPECT_EQ(run({"-m", llama, "-t", threads, "x"}).exit_code, 2);
}

TEST(System, NoCommandWaitsForAPipeThatIsNoInput) {
  const TempDir folder;
  const std::string pipe = (folder.path() / "model.gguf").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& model : {pipe, folder.path().string()}) {
    for (const char* command : {"generate", "tokenize", "chat", "embed", "ner"})
      EXPECT_EQ(run({command, "-m", model, "x"}).exit_code, 3) << command;
    EXPECT_EQ(run({"info", "-m", model}).exit_code, 3);
    EXPECT_EQ(run({"pack", "-m", model, "-o", (folder.path() / "p").string()}).exit_code, 3);
  }
  expect_failure({"-m", pipe, "x"}, 3, "is not a regular file");
  EXPECT_EQ(run({"-m", llama, "--adapter", pipe, "x"}).exit_code, 3);
  EXPECT_EQ(run({"verify", "-m", llama, "--reference", pipe}).exit_code, 3);
}

TEST(System, FilesOfAModelThatCannotBeRead) {
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors",
                           "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"}) {
    const TempDir folder;
    const std::string model = (folder.path() / "m").string();
    fs::copy(llama, model);
    fs::remove(model + "/" + name);
    fs::create_symlink(name, model + "/" + name);
    expect_failure({"-m", model, "x"}, 3, name);
  }
  const TempDir folder;
  fs::create_symlink("loop", folder.path() / "loop");
  fs::create_symlink("gone", folder.path() / "lost");
  expect_failure({"-m", (folder.path() / "loop").string(), "x"}, 3, "symbolic links");
  expect_failure({"-m", (folder.path() / "lost").string(), "x"}, 3, "which does not exist");
}

TEST(System, EmptyAndImpossibleNames) {
  const TempDir folder;
  const std::string rows = folder.write("rows.jsonl", "{\"text\":\"Once\"}\n").string();
  const std::string longest = (folder.path() / std::string(250, 'n')).string();
  const std::string loop = (folder.path() / "loop").string();
  fs::create_symlink("loop", loop);
  for (const std::vector<std::string>& input :
       {std::vector<std::string>{"Once"}, {"--input", rows, "--jsonl"}}) {
    for (const auto& [name, part] :
         {std::pair(longest, "File name too long"), std::pair(loop, "symbolic links"),
          std::pair(std::string("/proc/x/y"), "No such file")}) {
      std::vector<std::string> arguments = {"-m", llama, "-n", "2", "-o", name};
      arguments.insert(arguments.end(), input.begin(), input.end());
      expect_failure(arguments, 2, part);
    }
  }
  expect_failure({"-m", "", "Once"}, 2, " is empty");
  for (const char* flag : {"-o", "-f", "--lines", "--input", "--eval-output"})
    expect_failure({"-m", llama, "-n", "2", flag, "", "Once"}, 2, " is empty");
  expect_failure({"pack", "-m", llama, "-o", ""}, 2, " is empty");
  expect_failure({"pack", "-m", llama, "-o", "/proc/x"}, 2, "cannot be created");
  expect_failure({"pack", "-m", llama, "-o", longest}, 2, "File name too long");
  expect_failure({"pack", "-m", llama, "-o", loop}, 2, "exists already");
}

// --- outputs whose names can be foreseen ---

class PlantedLinks : public testing::Test {
 protected:
  PlantedLinks() { folder_.write("precious", "mine"); }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  Outcome write(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"-q",      "-m", gpt2, "--input", rows_,
                                          "--jsonl", "-n", "2",  "-o",      path("out")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  void expect_untouched() const {
    EXPECT_EQ(read_text(path("precious")), "mine");
    EXPECT_FALSE(fs::exists(path("new")));
  }

  const TempDir folder_;
  const std::string rows_ =
      folder_.write("rows.jsonl", "{\"text\":\"Once\"}\n{\"text\":\"upon\"}\n").string();
};

TEST_F(PlantedLinks, AreNotFollowed) {
  for (const char* target : {"precious", "new"}) {
    for (const char* name : {"out.partial", "out.partial.run"}) {
      SCOPED_TRACE(std::string(name) + " -> " + target);
      fs::create_symlink(target, path(name));
      const bool is_output = std::string(name) == "out.partial";
      EXPECT_EQ(write({}).exit_code, is_output ? 2 : 0);
      expect_untouched();
      if (is_output) {
        EXPECT_EQ(write({"--resume"}).exit_code, 2);
        expect_untouched();
        EXPECT_EQ(write({"--force"}).exit_code, 0);
      }
      expect_untouched();
      EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path("out"))));
      EXPECT_FALSE(fs::exists(fs::symlink_status(path("out.partial"))));
      EXPECT_FALSE(fs::exists(fs::symlink_status(path("out.partial.run"))));
      fs::remove(path("out"));
    }
  }
}

TEST_F(PlantedLinks, HardLinksAreNotGoneOnWith) {
  fs::create_hard_link(path("precious"), path("out.partial"));
  const Outcome result = write({"--resume"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("which no run leaves"), std::string::npos) << result.err;
  expect_untouched();
  EXPECT_EQ(write({"--force"}).exit_code, 0);
  expect_untouched();
}

TEST_F(PlantedLinks, PipesAreNotWaitedFor) {
  ASSERT_EQ(::mkfifo(path("out.partial").c_str(), 0600), 0);
  EXPECT_EQ(write({"--resume"}).exit_code, 2);
  EXPECT_EQ(write({"--force"}).exit_code, 0);
}

TEST_F(PlantedLinks, AnEmptyPartialFileIsBegunAnew) {
  EXPECT_EQ(write({}).exit_code, 0);
  const std::string expected = read_text(path("out"));
  fs::remove(path("out"));
  for (const char* run_file : {"", "{}\n"}) {  // killed before it was there, and while
    folder_.write("out.partial", "");
    if (*run_file != '\0') folder_.write("out.partial.run", run_file);
    EXPECT_EQ(write({"--resume"}).exit_code, 0);
    EXPECT_EQ(read_text(path("out")), expected);
    fs::remove(path("out"));
  }
}

// A link that the user gave is followed, through others and to what is not there yet.
TEST_F(PlantedLinks, ALinkThatWasGivenIsFollowed) {
  fs::create_symlink("second", path("out"));
  fs::create_symlink("new", path("second"));
  EXPECT_EQ(write({}).exit_code, 0);
  EXPECT_TRUE(fs::is_symlink(path("out")));
  EXPECT_TRUE(fs::is_symlink(path("second")));
  EXPECT_GT(fs::file_size(path("new")), 0U);
}

// --- a model that changes ---

TEST(LostFile, IsNamed) {
  const TempDir folder;
  const std::string packed = (folder.path() / "packed").string();
  ASSERT_EQ(run({"pack", "-m", fixture("llama-wide"), "-o", packed}).exit_code, 0);
  std::string ids;
  for (int i = 0; i < 3000; ++i) ids += "{\"ids\":[5,17,40,8,3,2]}\n";
  const std::string input = folder.write("rows.jsonl", ids).string();
  const Outcome result = run(in_shell(
      "\"$0\" \"$@\" >/dev/null & sleep 0.3; : >'" + packed + "/packed.safetensors'; wait $!",
      {"-m", packed, "--input", input, "--jsonl", "-n", "60"}));
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_NE(result.err.find(packed + "/packed.safetensors: cannot be read any more"),
            std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace llm::test::cli_system
