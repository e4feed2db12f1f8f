// Answers against the reference's pipeline: data/qa.jsonl, made by support/make_qa_vectors.py.
#include "llm/tasks/qa.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tasks/task_models.hpp"

namespace llm {
namespace {

using detail::Json;
using test::FixtureModel;

QaOptions qa_options(const Json& row) {
  QaOptions options;
  options.top_k = row["top_k"];
  options.max_answer_len = row["max_answer_len"];
  options.handle_impossible_answer = row.value("handle_impossible_answer", false);
  options.align_to_words = row.value("align_to_words", true);
  if (row.contains("max_seq_len")) options.max_seq_len = row["max_seq_len"].get<std::int64_t>();
  if (row.contains("doc_stride")) options.doc_stride = row["doc_stride"].get<std::int64_t>();
  return options;
}

template <typename S>
class Qa : public ::testing::Test {};
TYPED_TEST_SUITE(Qa, test::Scalars);

TYPED_TEST(Qa, IsTheReferences) {
  std::map<std::string, FixtureModel<TypeParam>> models;
  for (const char* name :
       {"bert-answers", "roberta-answers", "xlm-roberta-answers", "llama-answers"})
    models.try_emplace(name, name);
  const auto rows = test::task_rows("qa.jsonl");
  ASSERT_GE(rows.size(), 200u);
  for (const Json& row : rows) {
    const auto& opened = models.at(row["model"]);
    const QuestionAnswerer<TypeParam> answerer(*opened.model, *opened.tokenizer, qa_options(row));
    const Question question{row["question"], row["context"]};
    const std::vector<Answer> answers = std::move(answerer.answer({&question, 1})[0]);
    ASSERT_EQ(answers.size(), row["answers"].size()) << row;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const Json& expected = row["answers"][i];
      EXPECT_EQ(answers[i].answer, expected[0]) << row;
      test::expect_near<TypeParam>(answers[i].score, expected[1], row.dump());
      EXPECT_EQ(answers[i].span.start, expected[2]) << row;
      EXPECT_EQ(answers[i].span.end, expected[3]) << row;
      EXPECT_EQ(text_span(question.context, answers[i].span.bytes), answers[i].span);
    }
  }
}

TEST(Questions, DoNotDependOnTheirNeighbours) {
  const FixtureModel<float> one("bert-answers"), two("bert-answers", 2);
  std::vector<Question> questions;
  for (const Json& row : test::task_rows("qa.jsonl"))
    questions.push_back({row["question"], row["context"]});
  questions.resize(60);
  QaOptions options{.top_k = 3, .doc_stride = 3};
  const auto all = QuestionAnswerer<float>(*one.model, *one.tokenizer, options).answer(questions);
  options.batch_tokens = 50;
  std::vector<Question> reversed(questions.rbegin(), questions.rend());
  auto other = QuestionAnswerer<float>(*two.model, *two.tokenizer, options).answer(reversed);
  std::ranges::reverse(other);
  for (std::size_t q = 0; q < questions.size(); ++q) {
    ASSERT_EQ(all[q].size(), other[q].size());
    for (std::size_t i = 0; i < all[q].size(); ++i) {
      EXPECT_EQ(all[q][i].score, other[q][i].score);  // to the bit
      EXPECT_EQ(all[q][i].span, other[q][i].span);
    }
  }
}

// Which side is padded is asked of tokenizer_config.json, then of tokenizer.json, then of the
// class.
TEST(Questions, StandBehindTheContextWhereTextsArePaddedOnTheLeft) {
  const auto pads_left = [](const std::string& config, const std::string& padding) {
    const test::TempDir dir;
    detail::Json json = detail::read_json_file(test::fixture("bert-answers") / "tokenizer.json");
    if (!padding.empty()) json["padding"] = {{"direction", padding}};
    dir.write("tokenizer.json", json.dump());
    dir.write("tokenizer_config.json", config);
    return Tokenizer::open(dir.path())->pads_left();
  };
  const std::string left = R"({"padding_side": "left"})", right = R"({"padding_side": "right"})";
  const std::string llama = R"({"tokenizer_class": "LlamaTokenizerFast"})";
  EXPECT_FALSE(pads_left("{}", ""));
  EXPECT_TRUE(pads_left("{}", "Left"));
  EXPECT_TRUE(pads_left(left, "Right"));
  EXPECT_FALSE(pads_left(right, "Left"));
  EXPECT_TRUE(pads_left(llama, ""));
  EXPECT_FALSE(pads_left(llama, "Right"));
  test::expect_error(ErrorCode::bad_format, "padding_side",
                     [&] { pads_left(R"({"padding_side": "top"})", ""); });
}

TEST(Questions, BadOnesAreErrors) {
  const FixtureModel<float> opened("bert-answers");
  const auto fails = [&](ErrorCode code, const std::string& part, const Question& question,
                         QaOptions options = {}) {
    test::expect_error(code, part, [&] {
      QuestionAnswerer<float>(*opened.model, *opened.tokenizer, options).answer({&question, 1});
    });
  };
  std::string words;
  for (int i = 0; i < 60; ++i) words += "cat ";
  fails(ErrorCode::invalid_input, "the question is empty", {"", "cat"});
  fails(ErrorCode::invalid_input, "the context is empty", {"cat", ""});
  fails(ErrorCode::invalid_input, "has no tokens", {"cat", " \n"});
  fails(ErrorCode::context_overflow, "the question has 60 tokens", {words, "cat"});
  fails(ErrorCode::context_overflow, "the question has 20 tokens", {words.substr(0, 80), words});
  fails(ErrorCode::invalid_option, "top_k is 0", {"a", "a"}, {.top_k = 0});
  fails(ErrorCode::invalid_option, "max_answer_len is 0", {"a", "a"}, {.max_answer_len = 0});
  fails(ErrorCode::invalid_option, "no more than the 33", {"a", "a"}, {.max_seq_len = 34});
  fails(ErrorCode::invalid_option, "doc_stride is 40", {"a", "a"}, {.doc_stride = 40});
  const FixtureModel<float> other("bert-masked-lm");
  test::expect_error(ErrorCode::unsupported, "needs a",
                     [&] { QuestionAnswerer<float>(*other.model, *other.tokenizer); });
}

}  // namespace
}  // namespace llm
