// summarize, translate, ner and qa at the shell.
#include <gtest/gtest.h>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_text_tasks {
namespace {

using detail::Json;

TEST(Summarize, IsGenerateWithThePrefix) {
  const std::string t5 = fixture("t5-v1_0");
  const Outcome summary = run({"summarize", "-m", t5, "-n", "9", "Once upon a time"});
  EXPECT_EQ(summary.exit_code, 0) << summary.err;
  EXPECT_EQ(summary.out,
            run({"-m", t5, "-n", "9", "--num-beams", "4", "summarize: Once upon a time"}).out);
  const Outcome rows = run({"summarize", "-m", t5, "-n", "9", "--input", "-", "--jsonl"},
                           "{\"id\":7,\"text\":\"Once upon a time\"}\n{\"text\":\"\"}\n");
  EXPECT_EQ(rows.exit_code, 5);
  const std::vector<Json> found = rows_of(rows.out);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]["id"], 7);
  EXPECT_EQ(found[0]["text"].get<std::string>() + "\n", summary.out);
  EXPECT_EQ(found[0]["truncated"], false);
  EXPECT_TRUE(found[1].contains("error"));
  expect_failure({"summarize", "-m", fixture("llama-gqa"), "x"}, 3, "needs an encoder-decoder");
}

TEST(Translate, LanguagesAndLongTexts) {
  const std::string mbart = fixture("mbart-languages");
  const Outcome made = run({"translate", "-m", mbart, "--source-lang", "en_XX", "--target-lang",
                            "de_DE", "-n", "9", "--json", "water"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  EXPECT_FALSE(Json::parse(made.out)["text"].get<std::string>().empty());
  expect_failure({"translate", "-m", mbart, "water"}, 2, "give target-lang");
  expect_failure({"translate", "-m", mbart, "--target-lang", "xx", "water"}, 2,
                 "no language \"xx\"");
  std::string words;
  for (int i = 0; i < 90; ++i) words += "water ";
  expect_failure({"translate", "-m", mbart, "--target-lang", "de_DE", words}, 6,
                 "the encoder takes at most 81");
  const Outcome cut = run({"translate", "-m", mbart, "--target-lang", "de_DE", "--overflow",
                           "truncate-right", "-n", "3", "--json", words});
  EXPECT_EQ(Json::parse(cut.out)["truncated"], true) << cut.err;
  const std::string marian = fixture("marian-languages");
  EXPECT_EQ(run({"translate", "-m", marian, "--target-lang", "fra", "-n", "9", "water"}).out,
            run({"translate", "-m", marian, "-n", "9", ">>fra<< water"}).out);
}

TEST(NerCommand, RowsOffsetsAndTable) {
  const std::string model = fixture("bert-ner");
  const std::string input = "{\"id\":\"a\",\"text\":\"Zürich saw the café house\"}\n";
  const auto run_ner = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"ner", "-m", model, "--input", "-"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, input);
  };
  const Outcome plain = run_ner({"--ignore-labels", "none"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  const Json row = Json::parse(plain.out);
  ASSERT_EQ(row["entities"].size(), 5u) << row;
  EXPECT_EQ(row["id"], "a");
  EXPECT_EQ(row["entities"][0]["word"], "zurich");
  EXPECT_EQ(row["entities"][1]["start"], 7);
  EXPECT_EQ(row["entities"][0]["index"], 1);
  EXPECT_TRUE(row["entities"][0].contains("entity"));
  const Json bytes = Json::parse(run_ner({"--ignore-labels", "none", "--offsets", "bytes"}).out);
  EXPECT_EQ(bytes["entities"][1]["start"], 8);
  const Outcome grouped = run_ner({"--aggregation-strategy", "simple", "--ignore-labels", "none"});
  const Json group = Json::parse(grouped.out)["entities"][0];
  EXPECT_TRUE(group.contains("entity_group")) << grouped.out;
  const Outcome table = run_ner({"--aggregation-strategy", "max", "--format", "text"});
  EXPECT_NE(table.out.find("(0-"), std::string::npos) << table.out;

  std::string words;
  for (int i = 0; i < 60; ++i) words += "cat ";
  expect_failure({"ner", "-m", model, words}, 6, "the text has 62 tokens");
  EXPECT_EQ(run({"ner", "-m", model, "--aggregation-strategy", "simple", "--stride", "5", words})
                .exit_code,
            0);
  EXPECT_EQ(Json::parse(run({"ner", "-m", model, "--overflow", "truncate-right", "--json", words})
                            .out)["truncated"],
            true);
  expect_failure({"ner", "-m", model, "--stride", "5", "x"}, 2, "stride needs an aggregation");
  expect_failure({"ner", "-m", model, "--aggregation-strategy", "some", "x"}, 2,
                 "expected none, simple");
  expect_failure({"ner", "-m", model, ""}, 4, "the text is empty");
  expect_failure({"ner", "-m", fixture("bert-masked-lm"), "x"}, 3,
                 "has no token-classification head");
}

TEST(QaCommand, RowsOffsetsAndTable) {
  const std::string model = fixture("bert-answers");
  const std::string context = "Zürich saw the little house and the green bird.";
  const Outcome made = run(
      {"qa", "-m", model, "--question", "What?", "--context", context, "--json", "--top-k", "3"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  const Json answers = Json::parse(made.out)["answers"];
  ASSERT_EQ(answers.size(), 3u);
  const Json rows =
      Json::parse(run({"qa", "-m", model, "--input", "-", "--top-k", "3", "--offsets", "bytes"},
                      Json{{"id", 5}, {"question", "What?"}, {"context", context}}.dump() + "\n")
                      .out);
  EXPECT_EQ(rows["id"], 5);
  for (std::size_t i = 0; i < 3; ++i) {
    const Json& answer = rows["answers"][i];
    const std::size_t start = answer["start"], end = answer["end"];
    EXPECT_EQ(context.substr(start, end - start), answer["answer"]);
    EXPECT_EQ(answer["score"], answers[i]["score"]);
    EXPECT_EQ(start == 0 ? 0 : start - 1, answers[i]["start"]);  // of the one letter of two bytes
  }
  const Outcome table = run({"qa", "-m", model, "--context", context, "--format", "text",
                             "--handle-impossible", "--top-k", "999", "What?"});
  EXPECT_NE(table.out.find("(no answer)"), std::string::npos) << table.err;
  std::string words;
  for (int i = 0; i < 60; ++i) words += "cat ";
  expect_failure({"qa", "-m", model, "--question", words, "--context", "x"}, 6,
                 "the question has 60 tokens");
  expect_failure({"qa", "-m", model, "--question", "x", "--context", ""}, 4,
                 "the context is empty");
  expect_failure({"qa", "-m", model, "--question", "x", "--context", "y", "--top-k", "0"}, 2,
                 "top_k is 0");
  expect_failure({"qa", "-m", fixture("bert-ner"), "--question", "x", "--context", "y"}, 3,
                 "has no question-answering head");
  const Outcome missing =
      run({"qa", "-m", model, "--input", "-"}, "{\"id\":1,\"question\":\"x\"}\n");
  EXPECT_EQ(missing.exit_code, 5);
  EXPECT_NE(missing.out.find("\"context\\\""), std::string::npos) << missing.out;
}

}  // namespace
}  // namespace llm::test::cli_text_tasks
