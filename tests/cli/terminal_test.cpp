// What models, files and texts hold cannot command a terminal: messages show it escaped always,
// results where standard output is a terminal.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "shell/output.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_terminal {
namespace {

namespace fs = std::filesystem;
using detail::Json;

const std::string copies = "\033]52;c;QQ==\a";  // writes the clipboard

// The ids of the bytes in the vocabulary of gpt2-inner.
const std::string escape_id = "215", bell_id = "195";

Outcome at_terminal(const std::vector<std::string>& arguments) {
  Command command;
  command.arguments = arguments;
  command.terminal_output = true;
  return run(command);
}

std::vector<std::string> with_raw(std::vector<std::string> arguments) {
  arguments.emplace_back("--raw");
  return arguments;
}

// Tokens are banned until only the escape is left.
std::vector<std::string> write_escapes(std::vector<std::string> more) {
  std::string banned;
  for (int id = 0; id < 299; ++id)
    if (std::to_string(id) != escape_id) banned += (banned.empty() ? "" : ",") + std::to_string(id);
  std::vector<std::string> arguments = {"-m", gpt2, "-n", "3", "--suppress-tokens", banned, "Once"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Terminal, ResultsAreEscapedThereAndOnlyThere) {
  const std::vector<std::string> text = {"detokenize", "-m", gpt2,
                                         escape_id + " " + bell_id + " 60"};
  const std::string bytes = run(text).out;
  EXPECT_EQ(bytes, "\033\a]\n");
  EXPECT_EQ(at_terminal(text).out, "\\u001b\\u0007]\n");
  EXPECT_EQ(at_terminal(with_raw(text)).out, bytes);
  const TempDir folder;
  const std::string file = (folder.path() / "out").string();
  std::vector<std::string> to_file = text;
  to_file.insert(to_file.end(), {"-o", file});
  EXPECT_EQ(at_terminal(to_file).exit_code, 0);
  EXPECT_EQ(read_text(file), bytes);
}

TEST(Terminal, GeneratedTextIsEscaped) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--stream"}, {"--no-stream"}, {"--num-beams", "2"}}) {
    const std::string shown = "\\u001b\\u001b\\u001b\n";
    EXPECT_EQ(run(write_escapes(more)).out, "\033\033\033\n");
    EXPECT_EQ(at_terminal(write_escapes(more)).out, shown);
    EXPECT_EQ(at_terminal(with_raw(write_escapes(more))).out, "\033\033\033\n");
  }
  for (const char* format : {"jsonl", "json", "csv", "tsv"}) {
    const Outcome shown = at_terminal(write_escapes({"--format", format}));
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_EQ(shown.out.find('\033'), std::string::npos) << shown.out;
    EXPECT_NE(shown.out.find("\\u001b"), std::string::npos) << shown.out;
  }
  const Outcome explained = run(write_escapes({"--explain"}));
  EXPECT_EQ(explained.err.find('\033'), std::string::npos) << explained.err;
}

TEST(Terminal, JsonStaysJson) {
  // DEL and C1 may stand in JSON as they are.
  const std::string ids = "221 126 249", text = "\177\u009b";
  const Outcome shown = at_terminal({"detokenize", "-m", gpt2, "--json", ids});
  EXPECT_NE(shown.out.find("\\u007f\\u009b"), std::string::npos) << shown.out;
  EXPECT_EQ(Json::parse(shown.out)["text"], text);
  EXPECT_NE(run({"detokenize", "-m", gpt2, "--json", ids}).out.find(text), std::string::npos);
}

TEST(Terminal, NoCharacterSlipsThroughInPieces) {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(master, 0);
  ASSERT_EQ(::grantpt(master) | ::unlockpt(master), 0);
  const std::string name = ::ptsname(master);
  const int slave = ::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  termios settings{};
  ::tcgetattr(slave, &settings);
  ::cfmakeraw(&settings);
  ::tcsetattr(slave, TCSANOW, &settings);
  {
    shell::Output out(name);
    for (const char c : std::string("caf\u00e9\t\U0001f600\n\u009b\033[31m\xe2\x80")) {
      out.write({&c, 1});
      out.flush();
    }
    out.finish();
  }
  const std::string expected = "caf\u00e9\t\U0001f600\n\\u009b\\u001b[31m\\xe2\\x80";
  std::string shown;
  while (shown.size() < expected.size()) {  // a terminal gives what it has, in pieces
    char bytes[200];
    const ssize_t count = ::read(master, bytes, sizeof bytes);
    ASSERT_GT(count, 0);
    shown.append(bytes, static_cast<std::size_t>(count));
  }
  EXPECT_EQ(shown, expected);
  ::close(slave);
  ::close(master);
}

// One line of standard error that a terminal only shows.
void expect_one_line(const std::vector<std::string>& arguments, int code, const std::string& part) {
  const Outcome result = run(arguments);
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  for (const char control : {'\033', '\a', '\r', '\177'})
    EXPECT_EQ(result.err.find(control), std::string::npos) << result.err;
  for (const char* control : {"\u009b", "\u202e"})
    EXPECT_EQ(result.err.find(control), std::string::npos) << result.err;
}

class HostileModel : public testing::Test {
 protected:
  HostileModel() { fs::copy(fixture("llama-rope-llama3"), folder_.path() / "m"); }
  std::string model() const { return (folder_.path() / "m").string(); }
  void write(const std::string& name, const std::string& text) const {
    folder_.write("m/" + name, text);
  }
  void edit(const std::string& name, const std::function<void(Json&)>& change) const {
    Json json = Json::parse(read_text(folder_.path() / "m" / name));
    change(json);
    write(name, json.dump());
  }

  const TempDir folder_;
  const std::string hostile_ = copies + "\nllm-generate: note: all is well\r\u009b2J\u202e\177";
};

TEST_F(HostileModel, TemplatesCannotCommand) {
  write("chat_template.jinja", "{{ raise_exception(" + Json(hostile_).dump() + ") }}");
  expect_one_line({"chat", "-m", model(), "hello"}, 4, "\\u001b]52;c;QQ==\\u0007\\nllm-generate");
  write("chat_template.jinja", "{{ x." + copies + " }}");
  const Outcome result = run({"chat", "-m", model(), "hello"});
  EXPECT_EQ(result.err.find('\033'), std::string::npos) << result.err;
}

TEST_F(HostileModel, ConfigurationsCannotCommand) {
  edit("config.json", [&](Json& c) { c["model_type"] = hostile_; });
  expect_one_line({"-m", model(), "x"}, 3, "52;c");
  edit("config.json", [&](Json& c) {
    c["model_type"] = "llama";
    c["architectures"] = {hostile_};
  });
  const Outcome info = at_terminal({"info", "-m", model()});
  EXPECT_EQ((info.out + info.err).find('\033'), std::string::npos) << info.out;
  edit("config.json", [&](Json& c) { c["hidden_act"] = hostile_; });
  expect_one_line({"-m", model(), "x"}, 3, "52;c");
  write("generation_config.json", Json{{hostile_, 1}}.dump());
  EXPECT_EQ(run({"-m", model(), "x"}).err.find('\033'), std::string::npos);
}

TEST_F(HostileModel, WeightsCannotCommand) {
  fs::remove(folder_.path() / "m/model.safetensors");
  write("model.safetensors.index.json",
        Json{{"weight_map", {{"a", hostile_ + ".safetensors"}}}}.dump());
  expect_one_line({"-m", model(), "x"}, 3, "52;c");
  write("model.safetensors.index.json", Json{{"weight_map", {{hostile_, "../x"}}}}.dump());
  expect_one_line({"-m", model(), "x"}, 3, "52;c");
}

TEST_F(HostileModel, NamesCannotCommand) {
  const std::string name = folder_.path().string() + "/" + copies + "\nx\u202e";
  expect_one_line({"-m", name, "x"}, 3, "52;c");
  expect_one_line({"-m", model(), "-f", name}, 4, "52;c");
  expect_one_line({"-m", model(), "--input", name}, 4, "52;c");
  expect_one_line({"-m", model(), "x", "-o", name + "/x"}, 2, "52;c");
  expect_one_line({"-m", model(), "--" + copies}, 2, "52;c");
  expect_one_line({copies, "--x\n"}, 2, "\\n");
  fs::rename(folder_.path() / "m", name);
  fs::remove(name + "/config.json");
  expect_one_line({"-m", name, "x"}, 3, "52;c");
}

TEST_F(HostileModel, RowsCannotCommand) {
  const std::string rows =
      folder_.write("rows.jsonl", Json{{"id", hostile_}, {"text", 3}}.dump() + "\n").string();
  expect_one_line({"-m", model(), "--input", rows, "--strict", "--jsonl"}, 4, "\"text\"");
  EXPECT_EQ(at_terminal({"-m", model(), "--input", rows, "--jsonl"}).out.find('\177'),
            std::string::npos);
}

}  // namespace
}  // namespace llm::test::cli_terminal
