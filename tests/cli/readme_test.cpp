// Every command of the README runs: its shell blocks on a fixture, its C++ and CMake blocks are the
// consumer project of the install test. The demo runs, too, with what it would fetch left out.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/run_command.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_readme {
namespace {

namespace fs = std::filesystem;
const fs::path source = LLM_SOURCE_DIR;

// The fenced blocks of that language.
std::vector<std::string> blocks(const std::string& language) {
  std::vector<std::string> found;
  std::istringstream lines(read_text(source / "README.md"));
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "```" + language) {
      found.emplace_back();
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      found.back() += line + "\n";
    }
  }
  return found;
}

// A folder that looks like the clone after a build.
void lay_out(const TempDir& folder) {
  for (const char* name : {"models", "examples"})
    fs::create_directory_symlink(source / name, folder.path() / name);
  fs::create_directories(folder.path() / "build");
  fs::create_symlink(LLM_GENERATE, folder.path() / "build" / "llm-generate");
  fs::create_symlink(LLM_BENCH, folder.path() / "build" / "llm-bench");
}

int shell(const fs::path& folder, const std::string& script) {
  std::ofstream(folder / "script") << script;
  const std::string command = "cd '" + folder.string() +
                              "' && env -u LLM_GENERATE_MODEL bash -euo pipefail script >log 2>&1 "
                              "</dev/null";
  return std::system(command.c_str());
}

// The table of what is supported is what the program prints.
TEST(Readme, SupportedTableIsGenerated) {
  const std::string readme = read_text(source / "README.md");
  const std::string begin = "<!-- llm-generate info --supported -->\n", end = "<!-- end -->\n";
  const auto first = readme.find(begin), last = readme.find(end);
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(last, std::string::npos);
  const auto table = readme.substr(first + begin.size(), last - first - begin.size());
  EXPECT_EQ(table, run({"info", "--supported"}).out)
      << "put the output of llm-generate info --supported between the two marks";
}

TEST(Readme, ShellBlocksRun) {
  const auto found = blocks("sh");
  EXPECT_FALSE(found.empty());
  for (const std::string& block : found) {
    const TempDir folder;
    lay_out(folder);
    EXPECT_EQ(shell(folder.path(), block), 0) << block << read_text(folder.path() / "log");
  }
}

TEST(Readme, CodeIsTheConsumerProject) {
  const auto code = blocks("cpp");
  ASSERT_EQ(code.size(), 1u);
  EXPECT_EQ(code[0], read_text(source / "tests/install/consumer/main.cpp"));
  const auto cmake = blocks("cmake");
  ASSERT_EQ(cmake.size(), 1u);
  std::istringstream lines(cmake[0]);
  const std::string project = read_text(source / "tests/install/consumer/CMakeLists.txt");
  for (std::string line; std::getline(lines, line);)
    EXPECT_NE(project.find(line.substr(0, line.find(" main.cpp"))), std::string::npos) << line;
}

TEST(Demo, RunsOnAFixtureWithoutTheModel) {
  const TempDir folder;
  lay_out(folder);
  fs::create_directories(folder.path() / "tools");
  fs::copy_file(source / "tools" / "demo", folder.path() / "tools" / "demo");
  const auto stub = [&](const std::string& name, int code) {
    folder.write("tools/" + name, "#!/bin/sh\nexit " + std::to_string(code) + "\n");
    fs::permissions(folder.path() / "tools" / name, fs::perms::owner_all);
  };
  stub("build", 0);
  stub("install_deps", 0);
  stub("fetch_model", 1);
  EXPECT_EQ(shell(folder.path(), "cd / && '" + folder.path().string() + "/tools/demo'"), 0)
      << read_text(folder.path() / "log");
  const std::string log = read_text(folder.path() / "log");
  EXPECT_NE(log.find("without the model"), std::string::npos) << log;
  EXPECT_NE(log.find("few-shot"), std::string::npos) << log;
}

}  // namespace
}  // namespace llm::test::cli_readme
