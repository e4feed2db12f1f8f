// Entities against the reference's pipeline: data/ner.jsonl, made by support/make_ner_vectors.py.
#include "llm/tasks/ner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tasks/task_models.hpp"

namespace llm {
namespace {

using detail::Json;
using test::FixtureModel;

NerOptions ner_options(const Json& row) {
  NerOptions options;
  options.aggregation = aggregation_from_name(row["aggregation_strategy"].get<std::string>());
  if (row.contains("stride")) options.stride = row["stride"].get<std::int64_t>();
  if (row.contains("ignore_labels"))
    options.ignore_labels = row["ignore_labels"].get<std::vector<std::string>>();
  return options;
}

template <typename S>
class Ner : public ::testing::Test {};
TYPED_TEST_SUITE(Ner, test::Scalars);

TYPED_TEST(Ner, IsTheReferences) {
  std::map<std::string, FixtureModel<TypeParam>> models;
  for (const char* name : {"bert-ner", "roberta-ner", "xlm-roberta-ner"})
    models.try_emplace(name, name);
  const auto rows = test::task_rows("ner.jsonl");
  ASSERT_GE(rows.size(), 200u);
  for (const Json& row : rows) {
    const auto& opened = models.at(row["model"]);
    const EntityTagger<TypeParam> tagger(*opened.model, *opened.tokenizer, ner_options(row));
    const std::string text = row["text"];
    const auto entities = std::move(tagger.tag({&text, 1})[0].entities);
    ASSERT_EQ(entities.size(), row["entities"].size()) << row;
    for (std::size_t i = 0; i < entities.size(); ++i) {
      const Json& expected = row["entities"][i];
      const Entity& entity = entities[i];
      EXPECT_EQ(entity.label, expected[0]) << row;
      // The fixtures' labels are made of large weights, so that all of them are given: logits of
      // size 10, off by some 6e-6 in float32.
      test::expect_near<TypeParam>(entity.score, expected[1], row.dump(), true);
      EXPECT_EQ(entity.word, expected[2]) << row;
      EXPECT_EQ(entity.span.start, expected[3]) << row;
      EXPECT_EQ(entity.span.end, expected[4]) << row;
      if (expected.size() > 5) {
        EXPECT_EQ(entity.index, expected[5]) << row;
      }
      EXPECT_EQ(text_span(text, entity.span.bytes), entity.span);
    }
  }
}

TEST(NerTexts, DoNotDependOnTheirNeighbours) {
  const FixtureModel<float> one("bert-ner"), two("bert-ner", 2);
  std::vector<std::string> texts;
  for (const Json& row : test::task_rows("ner.jsonl")) texts.push_back(row["text"]);
  texts.resize(60);
  NerOptions options{.aggregation = Aggregation::average, .stride = 7};
  const auto all = EntityTagger<float>(*one.model, *one.tokenizer, options).tag(texts);
  options.batch_tokens = 50;
  std::vector<std::string> reversed(texts.rbegin(), texts.rend());
  auto other = EntityTagger<float>(*two.model, *two.tokenizer, options).tag(reversed);
  std::ranges::reverse(other);
  for (std::size_t t = 0; t < texts.size(); ++t) {
    ASSERT_EQ(all[t].entities.size(), other[t].entities.size());
    for (std::size_t i = 0; i < all[t].entities.size(); ++i) {
      EXPECT_EQ(all[t].entities[i].score, other[t].entities[i].score);  // to the bit
      EXPECT_EQ(all[t].entities[i].word, other[t].entities[i].word);
    }
  }
}

TEST(NerTexts, BadOnesAreErrors) {
  const FixtureModel<float> opened("bert-ner");
  const auto fails = [&](ErrorCode code, const std::string& part, const std::string& text,
                         NerOptions options = {}) {
    test::expect_error(code, part, [&] {
      EntityTagger<float>(*opened.model, *opened.tokenizer, options).tag({&text, 1});
    });
  };
  std::string words;
  for (int i = 0; i < 60; ++i) words += "cat ";
  fails(ErrorCode::invalid_input, "the text is empty", "");
  fails(ErrorCode::invalid_input, "has no tokens", " \t ");
  fails(ErrorCode::invalid_input, "UTF-8", "a\xff");
  fails(ErrorCode::context_overflow, "the text has 62 tokens", words);
  fails(ErrorCode::invalid_option, "stride needs an aggregation", "cat", {.stride = 2});
  for (const std::int64_t stride : {-1, 31, 500})
    fails(ErrorCode::invalid_option, "less than the 31 tokens", "cat",
          {.aggregation = Aggregation::simple, .stride = stride});
  test::expect_error(ErrorCode::invalid_option, "expected none, simple",
                     [] { aggregation_from_name("some"); });
  const FixtureModel<float> other("bert-masked-lm");
  test::expect_error(ErrorCode::unsupported, "needs a",
                     [&] { EntityTagger<float>(*other.model, *other.tokenizer); });
  const TaggedText cut =
      EntityTagger<float>(*opened.model, *opened.tokenizer, {.ignore_labels = {}, .truncate = true})
          .tag({&words, 1})[0];
  EXPECT_TRUE(cut.truncated);
  EXPECT_EQ(cut.entities.size(), 31u);
}

}  // namespace
}  // namespace llm
