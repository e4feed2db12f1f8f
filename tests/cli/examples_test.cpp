// The programs under examples/ do what the commands do.
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_examples {
namespace {

using detail::Json;
using Arguments = std::vector<std::string>;

// What the program wrote.
std::string example(const std::string& name, const Arguments& arguments) {
  Command command;
  command.program = std::string(LLM_EXAMPLES) + "/" + name;
  command.arguments = arguments;
  const Outcome outcome = run(command);
  EXPECT_EQ(outcome.exit_code, 0) << name << ": " << outcome.err;
  return outcome.out;
}

// The only row that the command wrote.
Json row_of(Arguments arguments) {
  arguments.emplace_back("--jsonl");
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<Json> rows = rows_of(outcome.out);
  EXPECT_EQ(rows.size(), 1U) << outcome.out;
  return rows.empty() ? Json() : rows.front();
}

// Lines "NUMBER LABEL".
struct Scored {
  double score = 0.0;
  std::string label;
};
std::vector<Scored> scored_lines(const std::string& text) {
  std::vector<Scored> lines;
  std::istringstream in(text);
  for (Scored line; in >> line.score && std::getline(in >> std::ws, line.label);)
    lines.push_back(line);
  return lines;
}

constexpr double printed = 1e-5;  // numbers are printed with 6 digits

TEST(Examples, GenerateWritesWhatTheCommandWrites) {
  for (const char* const name : {"llama-gqa", "t5-v1_0"}) {
    const Json row = row_of(
        {"-m", fixture(name), "-n", "24", "--no-repeat-ngram-size", "3", "once upon a time"});
    EXPECT_EQ(example("generate", {fixture(name), "once upon a time"}),
              row["text"].get<std::string>() + "\n");
  }
}

TEST(Examples, StreamEndsAfterSoManyCharacters) {
  const Json row = row_of({"-m", fixture("llama-gqa"), "-n", "100", "once upon a time"});
  const std::string whole = row["text"];
  const std::string part = example("stream", {fixture("llama-gqa"), "once upon a time", "20"});
  EXPECT_GE(part.size(), 21U);
  EXPECT_LT(part.size(), whole.size());
  EXPECT_TRUE(whole.starts_with(part.substr(0, part.size() - 1))) << part << whole;
}

TEST(Examples, FewShotScoresLabelsAsTheCommandDoes) {
  const TempDir dir;
  const std::string model = fixture("llama-gqa");
  const std::string form = dir.write("template.json", R"({"query": "{{text}}:",
      "example": "{{text}}: {{label}}", "separator": "\n"})")
                               .string();
  const std::string shots = dir.write("examples.jsonl", R"({"text": "warm", "label": "good"})"
                                                        "\n"
                                                        R"({"text": "dull", "label": "bad"})")
                                .string();
  const Json row = row_of({"few-shot", "-m", model, "--template", form, "--examples", shots,
                           "--labels-from", "label", "--query", "clever"});
  const auto lines = scored_lines(example("few_shot", {model, form, shots, "clever"}));
  ASSERT_EQ(lines.size(), 2U);
  for (const Scored& line : lines) {
    const double expected = row["label_logprobs"][line.label];
    EXPECT_NEAR(line.score, expected, printed * std::abs(expected)) << line.label;
  }
}

TEST(Examples, ZeroShotGivesTheLabelsOfTheCommand) {
  const Json row = row_of({"zero-shot", "-m", fixture("bert-nli"), "--labels", "cat,house,light",
                           "--hypothesis-template", "This example is about {}.", "the old house"});
  const auto lines = scored_lines(
      example("zero_shot", {fixture("bert-nli"), "the old house", "cat", "house", "light"}));
  ASSERT_EQ(lines.size(), 3U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].label, row["labels"][i]);
    EXPECT_NEAR(lines[i].score, row["scores"][i].get<double>(), printed);
  }
}

TEST(Examples, SearchFindsWhatTheCommandFinds) {
  const TempDir dir;
  const std::string file =
      dir.write("lines.txt", "hello world\nthe cat\na river\nan old house\n").string();
  const Json row =
      row_of({"similar", "-m", fixture("bert-masked-lm"), "--nearest", file, "-k", "3", "a cat"});
  const auto lines = scored_lines(example("search", {fixture("bert-masked-lm"), file, "a cat"}));
  ASSERT_EQ(lines.size(), 3U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].label, row["nearest"][i]["text"]);
    EXPECT_NEAR(lines[i].score, row["nearest"][i]["cosine"].get<double>(), printed);
  }
}

TEST(Examples, BatchCompletesLinesAsTheCommandDoes) {
  std::string expected;
  const std::string lines =
      "hello world\n" + std::string(2000, 'x') + "\nthe cat\nonce upon a time\n";
  const TempDir dir;
  const std::string file = dir.write("lines.txt", lines).string();
  const Outcome outcome =
      run({"-m", fixture("gpt2-inner"), "-n", "16", "--jsonl", "--lines", file});
  std::istringstream texts(lines);
  for (const Json& row : rows_of(outcome.out)) {
    std::string line;
    std::getline(texts, line);
    expected += row["id"].get<std::string>() + ": " + line;
    expected += row.contains("error") ? " [" + row["error"].get<std::string>() + "]\n"
                                      : " ->" + row["text"].get<std::string>() + "\n";
  }
  EXPECT_EQ(example("batch", {fixture("gpt2-inner"), file}), expected);
}

TEST(Examples, OwnProcessorsAndRulesAct) {
  const std::string model = fixture("gguf-llama-f32"), prompt = "once upon a time";
  EXPECT_NE(row_of({"-m", model, "-n", "40", prompt})["text"].get<std::string>().find('e'),
            std::string::npos);
  EXPECT_EQ(example("logits_processor", {model, prompt, "e"}).find('e'), std::string::npos);
  const std::string whole = row_of({"-m", model, "-n", "100", prompt})["text"];
  const std::string part = example("stop_rule", {model, prompt, "1"});
  EXPECT_TRUE(whole.starts_with(part.substr(0, part.size() - 1))) << part << whole;
  EXPECT_LT(part.size(), whole.size());
}

TEST(Examples, SayWhatIsWrong) {
  for (const char* const name : {"generate", "stream", "few_shot", "zero_shot", "search", "batch",
                                 "logits_processor", "stop_rule"}) {
    Command command;
    command.program = std::string(LLM_EXAMPLES) + "/" + name;
    const Outcome usage = run(command);
    EXPECT_EQ(usage.exit_code, 1);
    EXPECT_TRUE(usage.err.starts_with("usage: " + std::string(name) + " MODEL")) << usage.err;
  }
}

}  // namespace
}  // namespace llm::test::cli_examples
