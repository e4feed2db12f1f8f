// What llm-generate says, and how it ends, when something is wrong: one sentence on standard error,
// nothing on standard output, and the exit code of its kind.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_errors {
namespace {

namespace fs = std::filesystem;
using detail::Json;

const std::string untied = fixture("llama-untied");

// A folder with the fixture's files, to spoil one of them.
void copy_fixture(const std::string& name, const TempDir& to) {
  for (const auto& entry : fs::directory_iterator(fixture(name)))
    fs::copy_file(entry.path(), to.path() / entry.path().filename());
}

TEST(Usage, UnknownNamesSuggestTheNearest) {
  expect_failure({"-m", llama, "--max-new-tokns", "3", "x"}, 2, "did you mean --max-new-tokens?");
  expect_failure({"tokenise", "-m", llama, "x"}, 2,
                 "there is no command \"tokenise\"; did you mean tokenize?");
  expect_failure({"-m", llama, "two", "words"}, 2, "a prompt of several words needs quotes");
  expect_failure({"info", "--jsn", llama}, 2, "did you mean --json?");
}

TEST(Usage, NoPromptAtATerminal) {
  Command command;
  command.arguments = {"-m", llama};
  command.terminal_input = true;
  expect_failure(command, 2, "no prompt is given; usage: llm-generate -m MODEL");
  command.arguments.clear();
  command.terminal_input = false;
  expect_failure(command, 2, "no model is given");
}

TEST(Usage, CombinationsThatMakeNoSense) {
  expect_failure({"-m", llama, "--json", "--jsonl", "x"}, 2, "exclude each other");
  expect_failure({"-m", llama, "--lines", "a", "--input", "b"}, 2, "comes from one place");
  expect_failure({"-m", llama, "--lines", "a", "x"}, 2, "comes from one place");
  expect_failure({"-m", llama, "--logprobs", "2", "x"}, 2, "--logprobs needs --json");
  expect_failure({"-m", llama, "--stop", "a\\q", "x"}, 2, "after a backslash");
  expect_failure({"-m", llama, "--stop-token", "nonsense", "x"}, 2, "is no token");
  expect_failure({"-m", untied, "--stop", "a", "--input", "-"}, 2, "stop strings need",
                 "{\"ids\":[1]}\n");
}

TEST(Usage, ValuesOutOfRange) {
  expect_failure({"-m", llama, "--dtype", "int3", "x"}, 2, "--dtype \"int3\" does not exist");
  expect_failure({"-m", llama, "--overflow", "wrap", "x"}, 2, "wrap");
  for (const char* option :
       {"--temperature=-1", "--top-p=2", "--top-k=-3", "--num-beams=0", "--max-new-tokens=abc",
        "--max-new-tokens=-1", "--repetition-penalty=0", "--num-return-sequences=0", "--threads=-1",
        "--batch-size=0", "--min-p=nan", "--seed=-1", "--max-time=-1", "--early-stopping=maybe"}) {
    expect_failure({"-m", llama, option, "x"}, 2, std::string(option + 2, option + 5));
  }
}

TEST(ModelErrors, NoSuchModel) {
  expect_failure({"-m", "no/such-model", "x"}, 3, "there is no model \"no/such-model\"");
  expect_failure({"-m", "/no/such/folder", "x"}, 3, "there is no model");
  expect_failure({"info", "google/palm-2"}, 3, "are not public");
  expect_failure({"info", "ai21labs/Jurassic-2"}, 3, "are not public");
  const TempDir empty;
  expect_failure({"-m", empty.path().string(), "x"}, 3, "config.json");
  expect_failure({"tokenize", "-m", empty.path().string(), "x"}, 3, "tokenizer");
}

// A tokenizer that is there and cannot be read is not one that is not there.
TEST(ModelErrors, TokenizerThatCannotBeRead) {
  const TempDir folder;
  copy_fixture("llama-gqa", folder);
  const std::string model = folder.path().string();
  const std::filesystem::path file = folder.path() / "tokenizer.json";
  const auto expect_named = [&] {
    expect_failure({"-m", model, "x"}, 3, "tokenizer.json: ");
    expect_failure({"tokenize", "-m", model, "x"}, 3, "tokenizer.json: ");
  };
  std::filesystem::remove(file);
  std::filesystem::create_symlink("tokenizer.json", file);
  expect_named();
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  expect_named();
}

TEST(ModelErrors, UnknownModelType) {
  const TempDir folder;
  copy_fixture("llama-gqa", folder);
  folder.write("config.json", R"({"model_type":"mamba"})");
  expect_failure({"info", folder.path().string()}, 3, "mamba");
  expect_failure({"info", folder.path().string()}, 3, "gpt2");  // what is supported
  folder.write("config.json", R"({"model_type":"palm"})");
  expect_failure({"info", folder.path().string()}, 3, "not public");
  folder.write("config.json", "{");
  expect_failure({"info", folder.path().string()}, 3, "config.json");
}

TEST(ModelErrors, TruncatedFiles) {
  for (const char* name : {"llama-gqa", "gguf-llama-q8_0"}) {
    const TempDir folder;
    copy_fixture(name, folder);
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      const auto extension = entry.path().extension();
      if (extension == ".gguf" || entry.path().filename() == "model.safetensors")
        fs::resize_file(entry.path(), fs::file_size(entry.path()) / 2);
    }
    expect_failure({"-m", folder.path().string(), "x"}, 3, "");
    fs::remove(folder.path() / "model.safetensors");
  }
}

TEST(InputErrors, PromptsThatAreNone) {
  expect_failure({"-m", llama, ""}, 4, "the prompt is empty");
  expect_failure({"-m", llama}, 4, "the prompt is empty");
  expect_failure({"-m", llama, "a\xff\xfe"}, 4, "UTF-8");
  expect_failure({"-m", llama, "-f", "/no/such/file"}, 4, "/no/such/file: cannot be read");
}

TEST(InputErrors, RowsThatAreNone) {
  const auto rows = [](const std::string& input, const std::string& part) {
    expect_failure({"-m", llama, "--input", "-", "--jsonl", "--strict"}, 4, part, input);
  };
  rows("{\"text\":\n", "standard input, line 1");
  rows("[1]\n", "line 1: expected a JSON object");
  rows("{\"txt\":\"a\"}\n", "neither \"text\" nor \"ids\"");
  rows("{\"text\":3}\n", "\"text\" must be a string");
  rows("{\"ids\":[1,-2]}\n", "-2, which is not a token id");
  rows("{\"ids\":[1.5]}\n", "which is not a token id");
  rows("{\"id\":[],\"text\":\"a\"}\n", "\"id\" must be a string or a number");
  const TempDir folder;
  const auto file = folder.write("r.jsonl", "{\"text\":\"fine\"}\n\n{\"text\":\"\xff\"}\n");
  const Outcome result = run({"-m", llama, "--input", file.string(), "--jsonl", "--strict"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_NE(result.err.find("r.jsonl, line 3"), std::string::npos) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1);  // the good row before it
}

TEST(InputErrors, RowsThatFailAreRows) {
  const Outcome result = run({"-m", llama, "-n", "2", "--input", "-", "--jsonl"},
                             "{\"ids\":[1,99999]}\n{\"text\":\"\"}\n{\"text\":\"Once\"}\n");
  EXPECT_EQ(result.exit_code, 5);
  std::istringstream lines(result.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(Json::parse(line)["error_code"], "invalid_input") << line;
  std::getline(lines, line);
  EXPECT_NE(line.find("empty"), std::string::npos) << line;
  std::getline(lines, line);
  EXPECT_EQ(Json::parse(line)["new_tokens"], 2) << line;
  EXPECT_EQ(result.err, "llm-generate: 2 of 3 rows failed\n");
}

TEST(InputErrors, TooLong) {
  std::string words;
  for (int i = 0; i < 500; ++i) words += "once upon ";
  expect_failure({"-m", llama, words}, 6, "holds at most 255");
  const Outcome cut = run({"-m", llama, "-n", "3", "--json", "--overflow", "truncate-left", words});
  EXPECT_EQ(cut.exit_code, 0) << cut.err;
  EXPECT_EQ(Json::parse(cut.out)["truncated"], true);
}

TEST(OutputErrors, FullDisk) {
  Command command;
  command.arguments = {"-m", llama, "-n", "3", "Once"};
  command.output_file = "/dev/full";
  expect_failure(command, 7, "cannot write to standard output: No space left on device");
  for (const char* flag : {"--json", "--no-stream"}) {
    command.arguments.insert(command.arguments.begin(), flag);
    expect_failure(command, 7, "No space left on device");
  }
  command.arguments = {"tokenize", "-m", llama, "Once"};
  expect_failure(command, 7, "No space left on device");
  command.arguments = {"--help"};
  expect_failure(command, 7, "No space left on device");
  expect_failure({"-m", llama, "-n", "3", "-o", "/dev/full", "Once"}, 7,
                 "cannot write to \"/dev/full\": No space left on device");
  expect_failure({"-m", llama, "-n", "3", "-o", "/no/such/folder/x", "Once"}, 2,
                 "No such file or directory");
}

TEST(OutputErrors, NoInputIsReplaced) {
  const TempDir folder;
  const std::string text = "{\"text\":\"Once\",\"p\":\"a\",\"r\":\"a\"}\n";
  const std::string rows = folder.write("rows.jsonl", text).string();
  const std::string same = (folder.path() / "same.jsonl").string();
  std::filesystem::create_symlink(rows, same);
  for (const std::string& output : {rows, same}) {
    const std::string part = "is both read and to be replaced by the output";
    expect_failure({"-m", llama, "-n", "2", "--input", rows, "-o", output, "--force"}, 2, part);
    expect_failure({"-m", llama, "-n", "2", "-f", rows, "-o", output, "--force"}, 2, part);
    expect_failure({"eval", rows, "--prediction", "p", "--reference", "r", "-o", output, "--force"},
                   2, part);
    expect_failure({"-m", llama, "-n", "2", "--input", rows, "--eval", "accuracy", "--reference",
                    "r", "--eval-output", output, "--force"},
                   2, part);
  }
  EXPECT_EQ(read_text(rows), text);
  // Nor a file of the model, or one that only the plan of a chain names.
  const fs::path model = folder.path() / "model";
  fs::copy(llama, model);
  expect_failure({"-m", model.string(), "Once", "-o", (model / "config.json").string(), "--force"},
                 2, "is both read and to be replaced");
  const std::string chain = folder
                                .write("c.json", R"({"inputs": {"l": {"file": "rows.jsonl"}},
                               "steps": [{"name": "a", "task": "text", "map": "l"}]})")
                                .string();
  expect_failure({"chain", chain, "--dry-run", "-o", rows, "--force"}, 2, "is both read");
}

TEST(OutputErrors, LinksStay) {
  const TempDir folder;
  const fs::path target = folder.path() / "target", link = folder.path() / "link";
  fs::create_symlink("target", link);
  for (const char* force : {"-q", "--force"}) {  // it is not there, it is there
    EXPECT_EQ(run({"-m", llama, "-n", "2", "Once", "-o", link.string(), force}).exit_code, 0);
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_FALSE(read_text(target).empty());
  }
  expect_failure({"-m", llama, "-n", "2", "Once", "-o", link.string()}, 2, "exists");
}

TEST(OutputErrors, ClosedPipeEndsQuietly) {
  Command command;
  command.closed_output = true;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"-m", llama, "Once"},
        std::vector<std::string>{"-m", llama, "--json", "Once"},
        std::vector<std::string>{"tokenize", "-m", llama, "Once"},
        std::vector<std::string>{"--help"}}) {
    command.arguments = arguments;
    const Outcome result = run(command);
    EXPECT_EQ(result.exit_code, 0) << arguments[0];
    EXPECT_EQ(result.err, "");
  }
}

TEST(FindModel, InTheLocalCache) {
  const TempDir cache;
  const fs::path repository = cache.path() / "models--some-org--tiny";
  fs::create_directories(repository / "refs");
  fs::create_directories(repository / "snapshots");
  fs::create_directory_symlink(llama, repository / "snapshots" / "0123abc");
  std::ofstream(repository / "refs" / "main") << "0123abc";
  Command command;
  command.environment["HF_HUB_CACHE"] = cache.path().string();
  command.arguments = {"-m", "some-org/tiny", "-n", "3", "Once"};
  const Outcome result = run(command);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, run({"-m", llama, "-n", "3", "Once"}).out);
  command.arguments[1] = "some-org/tiny@0123abc";
  EXPECT_EQ(run(command).exit_code, 0);
  command.arguments[1] = "some-org/tinny";
  expect_failure(command, 3, "did you mean \"some-org/tiny\"?");
  command.arguments[1] = "some-org/tiny@other";
  expect_failure(command, 3, "there is no model");
  fs::create_directories(cache.path() / "home");
  fs::rename(repository, cache.path() / "home" / "models--some-org--tiny");
  fs::rename(cache.path() / "home", cache.path() / "hub");
  command.environment = {{"HF_HOME", cache.path().string()}};
  command.arguments[1] = "some-org/tiny";
  EXPECT_EQ(run(command).exit_code, 0);
}

TEST(FindModel, TheOnlyGgufOfAFolder) {
  const TempDir folder;
  for (const auto& entry : fs::directory_iterator(fixture("gguf-llama-f32")))
    if (entry.path().extension() == ".gguf") fs::copy_file(entry.path(), folder.path() / "a.gguf");
  EXPECT_EQ(run({"info", folder.path().string()}).exit_code, 0);
  fs::copy_file(folder.path() / "a.gguf", folder.path() / "b.gguf");
  expect_failure({"info", folder.path().string()}, 3, "several .gguf files; name one of: a.gguf");
}

}  // namespace
}  // namespace llm::test::cli_errors
