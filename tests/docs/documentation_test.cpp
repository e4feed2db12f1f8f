// What the documentation shows is true. In README.md, HACKING.md and every other page:
//   sh        runs without an error
//   console   is a transcript: lines that begin with "$ " run, the others are what they print
//   cpp, ...  is quoted from a file that is compiled or run elsewhere; white space does not matter
//   text      is only to be read
// "..." in a transcript or a quotation stands for anything. Blocks run in a folder that looks like
// the clone after a build; those that name the downloaded model run where it has been fetched.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "support/paths.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::documentation {
namespace {

namespace fs = std::filesystem;
const fs::path source = source_dir();

struct Block {
  std::string language, text;
};

// All pages, relative to the source folder.
std::vector<std::string> pages() {
  std::vector<std::string> names{"examples/README.md"};
  for (const char* const folder : {"", "docs/pages"}) {
    for (const auto& entry : fs::directory_iterator(source / folder)) {
      if (entry.path().extension() == ".md")
        names.push_back(fs::relative(entry.path(), source).generic_string());
    }
  }
  std::ranges::sort(names);
  return names;
}

std::vector<Block> blocks(const std::string& page) {
  std::vector<Block> found;
  std::istringstream lines(read_text(source / page));
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (!inside && line.starts_with("```")) {
      found.push_back({line.substr(3), ""});
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      found.back().text += line + "\n";
    }
  }
  EXPECT_FALSE(inside) << page << ": the last block has no end";
  return found;
}

// A folder that looks like the clone after a build and an installation.
void lay_out(const TempDir& folder) {
  for (const char* name : {"models", "examples"})
    fs::create_directory_symlink(source / name, folder.path() / name);
  fs::create_directories(folder.path() / "build");
  fs::create_symlink(LLM_GENERATE, folder.path() / "build" / "llm-generate");
  fs::create_symlink(LLM_BENCH, folder.path() / "build" / "llm-bench");
}

// Runs a script in the folder; what it prints is in the file "log" there.
int shell(const fs::path& folder, const std::string& script, const std::string& options) {
  std::ofstream(folder / "script") << script;
  const std::string command = "cd '" + folder.string() +
                              "' && env -u LLM_GENERATE_MODEL PATH=\"$PWD/build:$PATH\" bash " +
                              options + " script >log 2>&1 </dev/null";
  return std::system(command.c_str());
}

bool can_run(const Block& block) {
  return block.text.find("models/downloaded") == std::string::npos ||
         fs::exists(source / "models/downloaded/SmolLM2-135M-Instruct.Q4_1.gguf");
}

// The parts between "...".
std::vector<std::string> parts(const std::string& text) {
  std::vector<std::string> found(1);
  for (std::size_t i = 0; i < text.size();) {
    if (text.compare(i, 3, "...") == 0) {
      found.emplace_back();
      i += 3;
    } else {
      found.back() += text[i++];
    }
  }
  return found;
}

// Whether all parts stand in the text, one behind another.
bool stand_in(const std::string& text, const std::vector<std::string>& parts) {
  std::size_t at = 0;
  for (const std::string& part : parts) {
    at = text.find(part, at);
    if (at == std::string::npos) return false;
    at += part.size();
  }
  return true;
}

// Whether the text is the pattern, in which "..." stands for anything.
bool matches(const std::string& text, const std::string& pattern) {
  const std::vector<std::string> all = parts(pattern);
  if (all.size() == 1) return text == pattern;
  return text.starts_with(all.front()) && text.ends_with(all.back()) && stand_in(text, all);
}

struct Command {
  std::string line, prints;
};

// The commands of a transcript. A line that ends in a backslash goes on in the next one.
std::vector<Command> transcript(const std::string& text) {
  std::vector<Command> commands;
  std::istringstream lines(text);
  bool goes_on = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("$ ") || goes_on) {
      if (goes_on) {
        commands.back().line += "\n" + line;
      } else {
        commands.push_back({line.substr(2), ""});
      }
      goes_on = line.ends_with('\\');
    } else if (!commands.empty()) {
      commands.back().prints += line + "\n";
    }
  }
  return commands;
}

std::string without_space(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  return text;
}

// The files that code is quoted from, without white space.
const std::vector<std::string>& quoted_files() {
  static const std::vector<std::string> files = [] {
    std::vector<std::string> texts;
    for (const char* const folder : {"include", "src", "examples", "tests/install"}) {
      for (const auto& entry : fs::recursive_directory_iterator(source / folder)) {
        constexpr std::array kinds{".hpp", ".cpp", ".json", ".jsonl", ".txt"};
        if (std::ranges::count(kinds, entry.path().extension().string()) != 0)
          texts.push_back(without_space(read_text(entry.path())));
      }
    }
    return texts;
  }();
  return files;
}

class Page : public testing::TestWithParam<std::string> {};

TEST_P(Page, ShellBlocksRun) {
  for (const Block& block : blocks(GetParam())) {
    if (block.language != "sh" || !can_run(block)) continue;
    const TempDir folder;
    lay_out(folder);
    EXPECT_EQ(shell(folder.path(), block.text, "-euo pipefail"), 0)
        << block.text << read_text(folder.path() / "log");
  }
}

TEST_P(Page, TranscriptsAreTrue) {
  for (const Block& block : blocks(GetParam())) {
    if (block.language != "console" || !can_run(block)) continue;
    const TempDir folder;
    lay_out(folder);
    for (const Command& command : transcript(block.text)) {
      shell(folder.path(), command.line, "-uo pipefail");
      const std::string printed = read_text(folder.path() / "log");
      EXPECT_TRUE(matches(printed, command.prints))
          << "$ " << command.line << "\nis shown to print:\n"
          << command.prints << "and prints:\n"
          << printed;
    }
  }
}

TEST_P(Page, CodeIsQuoted) {
  for (const Block& block : blocks(GetParam())) {
    if (block.language == "sh" || block.language == "console" || block.language == "text") continue;
    constexpr std::array known{"cpp", "cmake", "json"};
    EXPECT_TRUE(std::ranges::count(known, block.language)) << "a block of " << block.language;
    const std::vector<std::string> quotation = parts(without_space(block.text));
    EXPECT_TRUE(std::ranges::any_of(
        quoted_files(), [&](const std::string& file) { return stand_in(file, quotation); }))
        << "in no file under include/, src/, examples/, tests/install/:\n"
        << block.text;
  }
}

TEST_P(Page, LinksLeadSomewhere) {
  const std::string text = read_text(source / GetParam());
  const std::regex link(R"(\]\(([^)#:]+)(#[^)]*)?\))");
  for (std::sregex_iterator it(text.begin(), text.end(), link), end; it != end; ++it) {
    const fs::path target = (source / GetParam()).parent_path() / (*it)[1].str();
    EXPECT_TRUE(fs::exists(target)) << (*it)[0];
  }
}

INSTANTIATE_TEST_SUITE_P(Documentation, Page, testing::ValuesIn(pages()), [](const auto& page) {
  std::string name = page.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

// The table of what is supported is what the program prints.
TEST(Documentation, SupportedTableIsGenerated) {
  const std::string page = read_text(source / "docs/pages/models.md");
  const std::string begin = "<!-- llm-generate info --supported -->\n", end = "<!-- end -->\n";
  const auto first = page.find(begin), last = page.find(end);
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(last, std::string::npos);
  const TempDir folder;
  lay_out(folder);
  ASSERT_EQ(shell(folder.path(), "llm-generate info --supported", "-eu"), 0);
  EXPECT_EQ(page.substr(first + begin.size(), last - first - begin.size()),
            read_text(folder.path() / "log"))
      << "put the output of llm-generate info --supported between the two marks";
}

TEST(Documentation, EveryPageIsInTheMenu) {
  const std::string menu = read_text(source / "docs/mkdocs.yml");
  for (const std::string& page : pages()) {
    if (!page.starts_with("docs/pages/")) continue;
    EXPECT_NE(menu.find(fs::path(page).filename().string()), std::string::npos) << page;
  }
}

TEST(Documentation, ReadmeIsShort) { EXPECT_LE(fs::file_size(source / "README.md"), 6U * 1024U); }

// The demo in a folder where nothing is installed, built or fetched by it.
class Demo : public testing::Test {
 protected:
  Demo() {
    lay_out(folder);
    fs::create_directories(folder.path() / "tools");
    fs::copy_file(source / "tools" / "demo", folder.path() / "tools" / "demo");
    stub("tools/build", "exit 0");
    stub("tools/install_deps", "exit 0");
  }
  void stub(const std::string& name, const std::string& script) const {
    folder.write(name, "#!/bin/sh\n" + script + "\n");
    fs::permissions(folder.path() / name, fs::perms::owner_all);
  }
  // What it prints.
  std::string run() const {
    const std::string demo = "cd / && '" + folder.path().string() + "/tools/demo'";
    EXPECT_EQ(shell(folder.path(), demo, "-euo pipefail"), 0) << read_text(folder.path() / "log");
    return read_text(folder.path() / "log");
  }
  TempDir folder;
};

TEST_F(Demo, RunsOnAFixtureWithoutTheModel) {
  stub("tools/fetch_model", "exit 1");
  const std::string log = run();
  EXPECT_NE(log.find("without the model"), std::string::npos) << log;
  EXPECT_NE(log.find("few-shot"), std::string::npos) << log;
}

// The README shows every command of the demo, though it breaks their lines.
TEST_F(Demo, IsWhatTheReadmeShows) {
  stub("build/llm-generate", ":");
  stub("tools/fetch_model", "echo \"$PWD/models/downloaded/SmolLM2-135M-Instruct.Q4_1.gguf\"");
  std::string shown;
  for (const Block& block : blocks("README.md")) {
    if (block.language != "console") continue;
    for (const Command& command : transcript(block.text)) shown += command.line + "\n";
  }
  std::erase(shown, '\\');
  std::string typed;
  for (const Command& command : transcript(run())) typed += command.line + "\n";
  EXPECT_NE(typed, "");
  EXPECT_EQ(without_space(shown), without_space(typed));
}

}  // namespace
}  // namespace llm::test::documentation
