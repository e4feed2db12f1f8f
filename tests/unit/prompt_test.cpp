// Templates with placeholders, and the few-shot prompts made of them.
#include "llm/prompt/few_shot.hpp"
#include "support/catch_error.hpp"
#include "support/temp_dir.hpp"

namespace llm {
namespace {

using test::expect_error;

constexpr const char* tweets = R"({
  "header":    "For each tweet, classify the sentiment:\n\n",
  "example":   "Tweet: \"{{text}}\"\nSentiment: {{label}}\n",
  "separator": "###\n",
  "query":     "Tweet: \"{{text}}\"\nSentiment:",
  "stop":      ["###", "\n"]
})";

TEST(TextTemplate, ReplacesFieldsAndNothingElse) {
  const TextTemplate text("{{ a }}-{{b}}{{a}} {x} }} \\{{a}} é", "t");
  EXPECT_EQ(text.fill({{"a", "{{b}}"}, {"b", "2"}}, "row"), "{{b}}-2{{b}} {x} }} {{a}} é");
  EXPECT_EQ(text.field_names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(TextTemplate("no fields", "t").fill({}, "row"), "no fields");
  EXPECT_TRUE(TextTemplate("", "t").empty());
}

TEST(TextTemplate, SaysWhereItIsWrong) {
  expect_error(ErrorCode::invalid_input, "t: the \"{{\" at line 2, column 3 is never closed",
               [] { TextTemplate("a\né {{b} c", "t"); });
  expect_error(ErrorCode::invalid_input, "line 1, column 2 has the name \"\"",
               [] { TextTemplate("x{{ }}", "t"); });
  expect_error(ErrorCode::invalid_input, "the name \"a{{b\"",
               [] { TextTemplate("{{a{{b}}", "t"); });
  const TextTemplate text("one\n two {{txet}}", "t.json");
  expect_error(ErrorCode::invalid_input,
               "t.json, line 2, column 6: the field \"txet\" is not in f.jsonl, line 3; did you "
               "mean \"text\"?",
               [&] {
                 text.fill({{"text", "x"}, {"label", "y"}}, "f.jsonl, line 3");
               });
  expect_error(ErrorCode::invalid_input, "which has no fields", [&] { text.fill({}, "r"); });
}

TEST(FewShot, BuildsThePromptOfTheDescription) {
  const FewShotTemplate few = FewShotTemplate::parse(tweets, "tweets.json");
  const std::vector<FieldRow> examples = parse_field_rows(
      "{\"text\":\"I hate it\",\"label\":\"negative\"}\n\n{\"text\":\"Good\",\"label\":1}\n", "e");
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[1].where, "e, line 3");
  const FieldRow query{{{"text", "Fine"}}, "query"};
  EXPECT_EQ(few.prompt(examples, query),
            "For each tweet, classify the sentiment:\n\n"
            "Tweet: \"I hate it\"\nSentiment: negative\n###\n"
            "Tweet: \"Good\"\nSentiment: 1\n###\n"
            "Tweet: \"Fine\"\nSentiment:");
  EXPECT_EQ(few.prompt({}, query),
            "For each tweet, classify the sentiment:\n\nTweet: \"Fine\"\nSentiment:");
  EXPECT_EQ(few.stop(), (std::vector<std::string>{"###", "\n", "###\n"}));
}

TEST(FewShot, RefusesTemplatesThatAreWrong) {
  const auto parse = [](const char* text) {
    return [text] { FewShotTemplate::parse(text, "t.json"); };
  };
  expect_error(ErrorCode::invalid_input, "unknown key \"qeury\"; did you mean \"query\"?",
               parse(R"({"qeury":"x"})"));
  expect_error(ErrorCode::invalid_input, "\"query\" is missing", parse(R"({"header":"x"})"));
  expect_error(ErrorCode::invalid_input, "\"header\" must be a string, got number",
               parse(R"({"query":"x","header":1})"));
  expect_error(ErrorCode::invalid_input, "\"stop\" must be", parse(R"({"query":"x","stop":[""]})"));
  expect_error(ErrorCode::invalid_input, "t.json, \"example\": the \"{{\" at line 1, column 1",
               parse(R"({"query":"x","example":"{{a"})"));
  expect_error(ErrorCode::invalid_input, "expected a JSON object", parse("[]"));
  expect_error(ErrorCode::file_not_found, "missing.json",
               [] { FewShotTemplate::read("/missing.json"); });
}

TEST(FewShot, RefusesRowsThatAreWrong) {
  expect_error(ErrorCode::file_not_found, "/missing.jsonl",
               [] { read_field_rows("/missing.jsonl"); });
  expect_error(ErrorCode::invalid_input, "e.jsonl, line 2",
               [] { parse_field_rows("{}\n{\"a\":\n", "e.jsonl"); });
  expect_error(ErrorCode::invalid_input, "e.jsonl, line 1: expected a JSON object",
               [] { parse_field_rows("[1]", "e.jsonl"); });
  const FewShotTemplate few = FewShotTemplate::parse(tweets, "tweets.json");
  const std::vector<FieldRow> examples = parse_field_rows(R"({"text":"x","label":null})", "e");
  expect_error(ErrorCode::invalid_input, "the field \"label\" is not in e, line 1", [&] {
    few.prompt(examples, {{{"text", "y"}}, "q"});
  });
  const FewShotTemplate zero = FewShotTemplate::parse(R"({"query":"{{text}}"})", "z.json");
  expect_error(ErrorCode::invalid_input, "has no \"example\"", [&] {
    zero.prompt(examples, {{{"text", "y"}}, "q"});
  });
}

TEST(FewShot, ReadsAFile) {
  const test::TempDir folder;
  const auto file = folder.write("t.json", tweets);
  EXPECT_EQ(FewShotTemplate::read(file).query().field_names(), std::vector<std::string>{"text"});
}

}  // namespace
}  // namespace llm
