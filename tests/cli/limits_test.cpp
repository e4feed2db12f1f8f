// Inputs that are too much: rows of very many fields, rows larger than the memory there is, texts
// of more tokens than are wanted. Whatever is wrong with a row is that row's error.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_limits {
namespace {

using detail::OrderedJson;

// With so many KiB of address space.
Command limited(std::size_t kibibytes, const std::vector<std::string>& arguments) {
  Command command;
  command.program = "/bin/sh";
  command.arguments = {"-c", "ulimit -v " + std::to_string(kibibytes) + "; exec \"$0\" \"$@\"",
                       LLM_GENERATE};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  return command;
}

// Good rows around one of so many bytes.
std::filesystem::path rows_around(const TempDir& folder, std::size_t bytes) {
  const auto path = folder.path() / "rows.jsonl";
  std::ofstream file(path);
  file << R"({"id":"a","text":"once","prompt":"once","completion":"upon"})" << '\n'
       << R"({"id":"b","text":")" << std::string(bytes, 'x') << "\"}\n"
       << R"({"id":"c","text":"once","prompt":"once","completion":"upon"})" << '\n';
  return path;
}

// The second of three rows failed.
void expect_one_failed(const Outcome& outcome, const std::string& code, const std::string& what) {
  EXPECT_EQ(outcome.exit_code, 5) << what << "\n" << outcome.err;
  const auto rows = ordered_rows_of(outcome.out);
  ASSERT_EQ(rows.size(), 3u) << what << "\n" << outcome.err;
  EXPECT_FALSE(rows[0].contains("error")) << what;
  EXPECT_EQ(rows[1].value("error_code", ""), code) << what << rows[1].value("error", "");
  EXPECT_EQ(rows[1]["line"], 2) << what;
  EXPECT_FALSE(rows[2].contains("error")) << what;
}

// Looking at every field for every field would take minutes.
TEST(Limits, RowsOfManyFieldsTakeTimeInProportion) {
  constexpr int fields = 150'000;
  std::string json = R"({"id":"r","text":"once")", names = "id,text", cells = "r,once";
  for (int i = 0; i < fields; ++i) {
    json += ",\"field" + std::to_string(i) + "\":" + std::to_string(i);
    names += ",field" + std::to_string(i);
    cells += "," + std::to_string(i);
  }
  const TempDir folder;
  const auto jsonl = folder.write("rows.jsonl", json + "}\n").string();
  const auto csv = folder.write("rows.csv", names + "\n" + cells + "\n").string();
  for (const std::string& input : {jsonl, csv}) {
    for (const std::string format : {"jsonl", "csv"}) {
      const Outcome all = run({"tokenize", "-m", llama, "--input", input, "--format", format,
                               "--keep", "all", "-o", (folder.path() / "out").string(), "--force"});
      EXPECT_EQ(all.exit_code, 0) << input << all.err;
    }
  }
  const Outcome missing = run({"tokenize", "-m", llama, "--input", jsonl, "--field", "txt2"});
  EXPECT_EQ(missing.exit_code, 5);
  const Outcome none = run({"tokenize", "-m", llama, "--input", jsonl, "--jsonl", "--field", "zq"});
  EXPECT_LT(none.out.size(), 2000u);  // not the names of all
  EXPECT_NE(none.out.find("and 149982 more"), std::string::npos) << none.out;
}

TEST(Limits, ALineOfMoreThan64MiBIsPassedOver) {
  const TempDir folder;
  const std::string input = rows_around(folder, std::size_t{100} << 20).string();
  const std::string output = (folder.path() / "out.jsonl").string();
  const Outcome outcome =
      run(limited(400'000, {"tokenize", "-m", llama, "--input", input, "-o", output}));
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  std::ifstream file(output);
  const std::string written{std::istreambuf_iterator<char>(file), {}};
  expect_one_failed({5, written, ""}, "invalid_input", "tokenize");
}

TEST(Limits, RowsLargerThanMemoryAreTheirOwnErrors) {
  const TempDir folder;
  const std::string input = rows_around(folder, std::size_t{50} << 20).string();
  expect_one_failed(run(limited(300'000, {"tokenize", "-m", llama, "--input", input, "--jsonl"})),
                    "out_of_memory", "tokenize");
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"generate", "-m", llama, "-n", "2"},
                                             {"generate", "-m", t5, "-n", "2"},
                                             {"embed", "-m", fixture("bert-ner")},
                                             {"ner", "-m", fixture("bert-ner")},
                                             {"score", "-m", llama, "--id-field", "id"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--threads", "1", "--input", input, "--jsonl"});
    const Outcome outcome = run(limited(350'000, arguments));
    const auto rows = ordered_rows_of(outcome.out);
    const std::string code = rows.size() > 1 ? rows[1].value("error_code", "") : "";
    EXPECT_TRUE(code == "out_of_memory" || code == "context_overflow" || command[0] == "score")
        << command[0] << " " << outcome.out.substr(0, 500) << outcome.err;
    expect_one_failed(outcome, code, command[0]);
  }
}

TEST(Limits, ARunThatIsResumedPassesOverTheSameRows) {
  const TempDir folder;
  const std::string input = rows_around(folder, std::size_t{70} << 20).string();
  const auto output = folder.path() / "out.jsonl";
  const std::vector<std::string> arguments = {"tokenize", "-m", llama,          "--input",
                                              input,      "-o", output.string()};
  ASSERT_EQ(run(arguments).exit_code, 5);
  std::ifstream whole(output);
  const std::string expected{std::istreambuf_iterator<char>(whole), {}};
  // What a run leaves that was stopped behind the bad row.
  std::filesystem::remove(output);
  std::vector<std::string> stopped = arguments;
  stopped.emplace_back("--strict");
  EXPECT_EQ(run(stopped).exit_code, 4);
  std::vector<std::string> resumed = arguments;
  resumed.emplace_back("--resume");
  EXPECT_EQ(run(resumed).exit_code, 5);
  std::ifstream again(output);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(again), {}), expected);
}

TEST(Limits, TokensOfATextAreBounded) {
  const std::string text = "Once upon a time there was a little cat and a bird and a dog.";
  for (const std::string& model : {llama, t5}) {
    const auto generate = [&](std::vector<std::string> more) {
      std::vector<std::string> arguments = {"-m", model, "-n", "3", "--json", text};
      arguments.insert(arguments.end(), more.begin(), more.end());
      return run(arguments);
    };
    const Outcome whole = generate({});
    ASSERT_EQ(whole.exit_code, 0) << whole.err;
    const auto tokens = OrderedJson::parse(whole.out)["prompt_tokens"].get<int>();
    EXPECT_EQ(generate({"--max-input-tokens", std::to_string(tokens)}).out, whole.out);
    const std::string fewer = std::to_string(tokens - 1);
    const Outcome refused = generate({"--max-input-tokens", fewer});
    EXPECT_EQ(refused.exit_code, 6);
    EXPECT_NE(refused.err.find("max_input_tokens is " + fewer), std::string::npos) << refused.err;
    for (const std::string overflow : {"truncate-left", "truncate-right", "truncate-middle"}) {
      const Outcome cut = generate({"--max-input-tokens", "8", "--overflow", overflow});
      ASSERT_EQ(cut.exit_code, 0) << cut.err;
      const OrderedJson result = OrderedJson::parse(cut.out);
      EXPECT_EQ(result["prompt_tokens"], 8) << overflow;
      EXPECT_EQ(result["truncated"], true) << overflow;
    }
  }
  const Outcome ner = run({"ner", "-m", fixture("bert-ner"), "--max-input-tokens", "4", text});
  EXPECT_EQ(ner.exit_code, 6);
  EXPECT_NE(ner.err.find("max_input_tokens is 4"), std::string::npos) << ner.err;
  const Outcome score =
      run({"score", "-m", llama, "--choices", "a,b", "--max-input-tokens", "4", text});
  EXPECT_EQ(score.exit_code, 6) << score.err;
}

// It was encoded as a whole, and T5 read all of it.
TEST(Limits, TextsOfMegabytesAreRefusedBeforeTheyAreEncoded) {
  const TempDir folder;
  std::string text;
  while (text.size() < std::size_t{6} << 20) text += "once upon a time ";
  const std::string file = folder.write("text.txt", text).string();
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"generate", "-m", t5}, {"generate", "-m", llama}, {"ner", "-m", fixture("bert-ner")}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--threads", "1", "-f", file});
    const Outcome outcome = run(limited(350'000, arguments));
    EXPECT_EQ(outcome.exit_code, 6) << command[0] << outcome.err;
    EXPECT_NE(outcome.err.find("bytes, expected at most"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace llm::test::cli_limits
