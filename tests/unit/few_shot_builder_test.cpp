// Which examples a prompt shows, and the forms it takes.
#include "llm/prompt/few_shot_builder.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/catch_error.hpp"

namespace llm {
namespace {

using test::expect_error;
using Shots = FewShotBuilder::Shots;

FewShotTemplate reviews() {
  return FewShotTemplate::parse(
      R"({"header":"Classify.\n\n","example":"R: {{text}}\nS: {{label}}\n","separator":"--\n",
          "query":"R: {{text}}\nS:"})",
      "r.json");
}

FieldRow row(const std::string& text, const std::string& label = {}) {
  FieldRow row{{{"text", text}}, text + " row"};
  if (!label.empty()) row.fields["label"] = label;
  return row;
}

std::vector<FieldRow> many() {
  std::vector<FieldRow> rows;
  for (int i = 0; i < 9; ++i) rows.push_back(row("t" + std::to_string(i), i < 6 ? "good" : "bad"));
  return rows;
}

FewShotBuilder builder(Selection selection, std::uint64_t seed = 0) {
  return FewShotBuilder(reviews(), many(),
                        {.selection = selection, .seed = seed, .label_field = "label"});
}

TEST(FewShotBuilder, MakesThePromptOfTheTemplate) {
  const FewShotBuilder few = builder(Selection::first);
  const FieldRow query = row("mine");
  EXPECT_EQ(few.choose(2, query), (Shots{0, 1}));
  EXPECT_EQ(few.prompt({6, 0}, query),
            "Classify.\n\nR: t6\nS: bad\n--\nR: t0\nS: good\n--\nR: mine\nS:");
  EXPECT_EQ(few.prompt({}, query), "Classify.\n\nR: mine\nS:");
  EXPECT_EQ(few.few_shot_template().answer().leading_text(), " ");
  EXPECT_EQ(few.labels(), (std::vector<std::string>{"good", "bad"}));
  expect_error(ErrorCode::invalid_option, "10 shots", [&] { few.choose(10, query); });
}

TEST(FewShotBuilder, MakesTurnsOfAConversation) {
  const auto messages = builder(Selection::first).messages({6}, row("mine"));
  const std::vector<std::pair<std::string, std::string>> expected = {{"system", "Classify."},
                                                                     {"user", "R: t6\nS:"},
                                                                     {"assistant", "bad"},
                                                                     {"user", "R: mine\nS:"}};
  ASSERT_EQ(messages.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(messages[i].role, expected[i].first);
    EXPECT_EQ(messages[i].content, expected[i].second);
  }
}

TEST(FewShotBuilder, FewerShotsAreTheFirstOfMore) {
  for (const Selection selection : {Selection::first, Selection::random, Selection::balanced}) {
    const FewShotBuilder few = builder(selection, 4);
    const Shots all = few.choose(9, row("q"));
    for (std::size_t count = 0; count <= 9; ++count) {
      const Shots some = few.choose(count, row("other"));
      EXPECT_TRUE(std::ranges::equal(some, std::span(all).first(count)));
    }
    Shots sorted = all, every(9);
    std::sort(sorted.begin(), sorted.end());
    std::iota(every.begin(), every.end(), std::size_t{0});
    EXPECT_EQ(sorted, every);
  }
}

TEST(FewShotBuilder, RandomOnesDependOnTheSeedAlone) {
  const Shots one = builder(Selection::random, 1).choose(9, row("q"));
  EXPECT_EQ(one, builder(Selection::random, 1).choose(9, row("q")));
  EXPECT_NE(one, builder(Selection::random, 2).choose(9, row("q")));
}

TEST(FewShotBuilder, BalancedOnesTakeTurns) {
  EXPECT_EQ(builder(Selection::balanced).choose(9, row("q")), (Shots{0, 6, 1, 7, 2, 8, 3, 4, 5}));
  expect_error(ErrorCode::invalid_option, "which field",
               [] { FewShotBuilder(reviews(), many(), {.selection = Selection::balanced}); });
}

// A text's embedding is its number, as an angle.
std::vector<std::vector<float>> angles(std::span<const std::string> texts) {
  std::vector<std::vector<float>> vectors;
  for (const std::string& text : texts) {
    const auto at = text.find_first_of("0123456789");
    const float angle = 0.1F * std::stof(text.substr(at));
    vectors.push_back({7 * std::cos(angle), 7 * std::sin(angle)});
  }
  return vectors;
}

TEST(FewShotBuilder, SimilarOnesAreNearAndNeverTheRowItself) {
  const FewShotBuilder few(reviews(), many(), {.selection = Selection::similar, .embed = angles});
  EXPECT_EQ(few.choose(3, row("x3.2")), (Shots{2, 4, 3}));  // the nearest one last
  EXPECT_EQ(few.choose(2, row("t3")), (Shots{4, 2}));       // of equals the first is the nearer
  EXPECT_EQ(few.choose(9, row("t3")).size(), 8u);
  expect_error(ErrorCode::invalid_option, "needs a model",
               [] { FewShotBuilder(reviews(), many(), {.selection = Selection::similar}); });
}

TEST(FewShotBuilder, FindsExamplesThatAskTheSame) {
  const FewShotBuilder few = builder(Selection::first);
  EXPECT_EQ(few.same_question(row("t4", "whatever")), 4u);
  EXPECT_FALSE(few.same_question(row("t")));
  EXPECT_FALSE(few.same_question({{{"label", "good"}}, "row"}));
}

TEST(FewShotBuilder, SaysWhatIsWrong) {
  expect_error(ErrorCode::invalid_input, "b row: the example has no \"class\"",
               [] { FewShotBuilder(reviews(), {row("b", "good")}, {.label_field = "class"}); });
  expect_error(ErrorCode::invalid_input, "the field \"label\" is not in b row",
               [] { FewShotBuilder(reviews(), {row("b")}); });
  expect_error(ErrorCode::invalid_input, "no \"example\" to put them in", [] {
    FewShotBuilder(FewShotTemplate::parse(R"({"query":"{{text}}"})", "t"), {row("b")});
  });
  expect_error(ErrorCode::invalid_option, "expected first, random",
               [] { selection_from_name("last"); });
  const FewShotTemplate other =
      FewShotTemplate::parse(R"({"example":"{{label}}: {{text}}","query":"{{text}}"})", "t");
  expect_error(ErrorCode::invalid_input, "must begin with", [&] { other.answer(); });
  const FewShotTemplate zero = FewShotTemplate::parse(R"({"query":"{{text}}:"})", "t");
  EXPECT_EQ(zero.answer().leading_text(), " ");
  const FewShotTemplate spaced = FewShotTemplate::parse(R"({"query":"{{text}}: "})", "t");
  EXPECT_EQ(spaced.answer().leading_text(), "");
}

TEST(Labels, MustDiffer) {
  const auto check = [](const std::vector<std::string>& labels) { check_labels(labels); };
  check({"good", "bad"});
  expect_error(ErrorCode::invalid_option, "\"neg\" is the beginning of \"negative\"", [&] {
    check({"negative", "neg"});
  });
  expect_error(ErrorCode::invalid_option, "twice", [&] { check({"a", "b", "a"}); });
  expect_error(ErrorCode::invalid_option, "is empty", [&] { check({"a", ""}); });
  expect_error(ErrorCode::invalid_option, "at least two", [&] { check({"a"}); });
}

}  // namespace
}  // namespace llm
