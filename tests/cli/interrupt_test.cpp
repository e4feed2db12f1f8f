// Signals at any time, to every command that writes a file of rows: what is cut short is never
// taken for finished, so that the runs that go on give the bytes of one that was left alone.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <random>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/paths.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_interrupt {
namespace {

namespace fs = std::filesystem;
using detail::Json;

// One row of every kind: each command takes the fields that it knows.
std::string rows_of_texts(int count) {
  const char* const words[] = {"the little cat", "an old house", "water", "bright river"};
  std::string rows;
  for (int i = 0; i < count; ++i) {
    const std::string text = std::string(words[i % 4]) + " saw " + words[i / 4 % 4];
    rows += Json{{"id", i},
                 {"text", text},
                 {"prompt", text},
                 {"text_pair", words[i / 2 % 4]},
                 {"question", "the cat"},
                 {"context", text + " and the dog"},
                 {"masked", text + " [MASK]"},
                 {"gaps", text + " <extra_id_0>"}}
                .dump() +
            "\n";
  }
  return rows;
}

struct Interruption {
  const char* name;
  std::vector<std::string> arguments;
  int rows = 60;
};

void PrintTo(const Interruption& interruption, std::ostream* out) { *out << interruption.name; }

class Interrupts : public testing::TestWithParam<Interruption> {
 protected:
  std::vector<std::string> command(const std::string& out) const {
    std::vector<std::string> arguments = GetParam().arguments;
    for (std::string& argument : arguments) {
      if (argument == "{template}") argument = template_;
      if (argument == "{chain}") argument = chain_;
      if (argument == "{texts}") argument = texts_;
    }
    for (const std::string& argument :
         {std::string("-q"), std::string("-t"), std::string("1"), std::string("--input"), rows_,
          std::string("--jsonl"), std::string("-o"), out})
      arguments.push_back(argument);
    return arguments;
  }

  const TempDir folder_;
  const std::string rows_ = folder_.write("rows.jsonl", rows_of_texts(GetParam().rows)).string();
  const std::string texts_ = folder_.write("texts.jsonl", rows_of_texts(12)).string();
  const std::string template_ =
      folder_.write("chat.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}").string();
  // A map with beams, a repeat step, a choice.
  const std::string chain_ =
      folder_
          .write(
              "chain.json",
              Json{
                  {"steps",
                   {{{"name", "parts"},
                     {"task", "split"},
                     {"text", "{{text}}"},
                     {"separator", " saw "}},
                    {{"name", "short"},
                     {"task", "summarize"},
                     {"model", t5},
                     {"map", "parts"},
                     {"text", "{{item}}"},
                     {"options", {{"max_new_tokens", 8}, {"num_beams", 3}}}},
                    {{"name", "story"},
                     {"model", llama},
                     {"reduce", "short"},
                     {"prompt", "{{items}} {{text}}"},
                     {"options", {{"max_new_tokens", 5}, {"num_beams", 2}}},
                     {"repeat", {{"times", 3}}}},
                    {{"name", "drawn"},
                     {"model", llama},
                     {"prompt", "Once {{story}}"},
                     {"options",
                      {{"max_new_tokens", 5}, {"do_sample", true}, {"num_return_sequences", 2}}}}}}}
                  .dump())
          .string();
};

TEST_P(Interrupts, LeaveNothingThatIsCutShort) {
  const std::string expected = (folder_.path() / "whole.jsonl").string();
  const auto begin = std::chrono::steady_clock::now();
  const Outcome whole = run(command(expected));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  std::mt19937 random(7);
  for (int round = 0; round < 3; ++round) {
    const std::string out = (folder_.path() / ("out" + std::to_string(round))).string();
    Command command_to_stop;
    command_to_stop.arguments = command(out);
    command_to_stop.arguments.push_back("--resume");
    int code = 130;
    for (int attempt = 0; code == 130 || code == 143; ++attempt) {
      command_to_stop.kill_signal = attempt % 2 == 0 ? SIGINT : SIGTERM;
      command_to_stop.kill_after_ms =
          attempt == 40 ? -1 : static_cast<int>(random() % static_cast<unsigned>(took.count() + 1));
      const Outcome outcome = run(command_to_stop);
      code = outcome.exit_code;
      ASSERT_TRUE(code == 0 || code == 130 || code == 143) << code << outcome.err;
      EXPECT_EQ(fs::exists(out), code == 0);
    }
    ASSERT_EQ(read_text(out), read_text(expected));
  }
}

std::vector<std::string> sentiment(std::vector<std::string> more) {
  const fs::path folder = source_dir() / "examples" / "sentiment";
  std::vector<std::string> arguments = {"few-shot",
                                        "-m",
                                        llama,
                                        "--template",
                                        (folder / "template.json").string(),
                                        "--examples",
                                        (folder / "examples.jsonl").string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

INSTANTIATE_TEST_SUITE_P(
    Commands, Interrupts,
    testing::Values(
        Interruption{"greedy", {"generate", "-m", gpt2, "-n", "12"}},
        Interruption{"sampled",
                     {"-m", gpt2, "-n", "12", "--do-sample", "-s", "3", "--num-return-sequences",
                      "3", "--logprobs", "2"},
                     30},
        Interruption{"beams",
                     {"-m", llama, "-n", "12", "--num-beams", "3", "--num-return-sequences", "2",
                      "--eos-token-id", "3,4,5,6,7,8,9,10,11,12"},
                     30},
        Interruption{"early",
                     {"-m", llama, "-n", "12", "--num-beams", "4", "--early-stopping", "true",
                      "--eos-token-id", "3,4,5,6,7,8,9,10,11,12"},
                     30},
        Interruption{"drawn_beams",
                     {"-m", gpt2, "-n", "12", "--num-beams", "3", "--do-sample", "-s", "5"},
                     30},
        Interruption{"few_shot", sentiment({"--shots", "0,2", "-n", "8", "--num-beams", "2"}), 20},
        Interruption{"labels", sentiment({"--shots", "1", "--labels-from", "label"}), 60},
        Interruption{"chat",
                     {"chat", "-m", fixture("llama-rope-llama3"), "--chat-template", "{template}",
                      "-n", "8", "--num-beams", "2"},
                     30},
        Interruption{"summarize", {"summarize", "-m", t5, "-n", "12"}, 30},
        Interruption{
            "translate",
            {"translate", "-m", fixture("marian-languages"), "--target-lang", "fra", "-n", "12"},
            20},
        Interruption{"score", {"score", "-m", llama, "--choices", " good, bad"}, 100},
        Interruption{"classify", {"classify", "-m", fixture("bert-nli")}, 100},
        Interruption{
            "zero_shot", {"zero-shot", "-m", fixture("bert-nli"), "--labels", "cat,dog"}, 60},
        Interruption{
            "fill_mask", {"fill-mask", "-m", fixture("bert-masked-lm"), "--field", "masked"}, 60},
        Interruption{"fill_gaps", {"fill-mask", "-m", t5, "--field", "gaps", "--top-k", "2"}, 20},
        Interruption{"ner", {"ner", "-m", fixture("bert-ner"), "--ignore-labels", "none"}, 60},
        Interruption{"qa", {"qa", "-m", fixture("bert-answers")}, 60},
        Interruption{"embed", {"embed", "-m", fixture("bert-ner")}, 60},
        Interruption{"similar", {"similar", "-m", fixture("bert-ner")}, 60},
        Interruption{"nearest", {"similar", "-m", fixture("bert-ner"), "--nearest", "{texts}"}, 60},
        Interruption{"chain", {"chain", "{chain}", "--all", "-s", "9"}, 12}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace llm::test::cli_interrupt
