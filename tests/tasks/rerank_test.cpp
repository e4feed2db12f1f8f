// rerank gives what sentence-transformers' CrossEncoder gives
// (tests/support/make_rerank_vectors.py).
#include "llm/tasks/rerank.hpp"

#include "tasks/task_models.hpp"

namespace {

using llm::ErrorCode;
using llm::Reranker;
using llm::RerankOptions;
using llm::ScoreFunction;
using llm::test::EditedFixture;
using llm::test::expect_error;
using llm::test::FixtureModel;
using llm::test::json;
using llm::test::TaskModel;
using Strings = std::vector<std::string>;

template <typename S>
class Rerank : public testing::Test {};
TYPED_TEST_SUITE(Rerank, llm::test::Scalars);

TYPED_TEST(Rerank, IsTheReferencesCrossEncoder) {
  const FixtureModel<TypeParam> opened("bert-reranker");
  for (const json& row : llm::test::task_rows("rerank.jsonl")) {
    const ScoreFunction function =
        llm::score_function_from_name(row["function"].get<std::string>());
    const Reranker<TypeParam> reranker(*opened.model, *opened.tokenizer, {.function = function});
    const Strings documents = row["documents"];
    const auto ranked = reranker.rank(row["query"], documents);
    ASSERT_EQ(ranked.size(), documents.size());
    for (std::size_t i = 0; i < ranked.size(); ++i) {
      EXPECT_EQ(ranked[i].index, row["order"][i]) << row["query"];
      // The scores of the reference come in single precision.
      EXPECT_NEAR(ranked[i].score, row["scores"][i].template get<double>(), 1e-5) << row["query"];
    }
  }
}

TYPED_TEST(Rerank, AloneAndAmongOthersIsTheSame) {
  const FixtureModel<TypeParam> opened("bert-reranker");
  const Reranker<TypeParam> one(*opened.model, *opened.tokenizer, {.batch_tokens = 1});
  const Reranker<TypeParam> all(*opened.model, *opened.tokenizer);
  const Strings documents{"a cat", "the old house", "once upon a time", "a bird", "a cat"};
  const auto expected = all.rank("the cat", documents);
  const auto got = one.rank("the cat", documents);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(got[i].index, expected[i].index);
    EXPECT_EQ(got[i].score, expected[i].score);
  }
  const Reranker<TypeParam> best(*opened.model, *opened.tokenizer, {.top_k = 2});
  ASSERT_EQ(best.rank("the cat", documents).size(), 2U);
  EXPECT_EQ(best.rank("the cat", documents)[1].index, expected[1].index);
  EXPECT_TRUE(all.rank("the cat", {}).empty());
}

TYPED_TEST(Rerank, TheConfigurationSaysTheFunction) {
  const FixtureModel<TypeParam> saved("bert-reranker");
  const EditedFixture older("bert-reranker", [](auto& config) {
    config.erase("sentence_transformers");
    config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity";
  });
  const EditedFixture silent("bert-reranker",
                             [](auto& config) { config.erase("sentence_transformers"); });
  const TaskModel<TypeParam> of_older(older.path()), of_silent(silent.path());
  const Strings documents{"a cat"};
  const auto score = [&](const TaskModel<TypeParam>& opened, RerankOptions options) {
    return Reranker<TypeParam>(*opened.model, *opened.tokenizer, options)
        .rank("the", documents)[0]
        .score;
  };
  const double logit = score(saved, {.function = ScoreFunction::none});
  EXPECT_EQ(score(saved, {}), logit);
  EXPECT_EQ(score(of_older, {}), logit);
  EXPECT_EQ(score(of_silent, {}), score(saved, {.function = ScoreFunction::sigmoid}));
}

TYPED_TEST(Rerank, OtherModelsAndOptionsAreRefused) {
  const FixtureModel<TypeParam> three("bert-nli"), words("bert-masked-lm"), opened("bert-reranker");
  const Strings documents{"a cat"};
  expect_error(ErrorCode::unsupported, "one label",
               [&] { Reranker<TypeParam>(*three.model, *three.tokenizer).rank("a", documents); });
  expect_error(ErrorCode::unsupported, "rerank needs a sequence-classification head",
               [&] { Reranker<TypeParam>(*words.model, *words.tokenizer); });
  expect_error(ErrorCode::invalid_option, "top-k is -1",
               [&] { Reranker<TypeParam>(*opened.model, *opened.tokenizer, {.top_k = -1}); });
  const EditedFixture tanh("bert-reranker", [](auto& config) {
    config["sentence_transformers"]["activation_fn"] = "torch.nn.modules.activation.Tanh";
  });
  const TaskModel<TypeParam> of_tanh(tanh.path());
  expect_error(ErrorCode::unsupported, "activation_fn is \"torch.nn.modules.activation.Tanh\"",
               [&] { Reranker<TypeParam>(*of_tanh.model, *of_tanh.tokenizer); });
  const Reranker<TypeParam> whole(*opened.model, *opened.tokenizer,
                                  {.truncation = llm::Truncation::none});
  const Strings longer{std::string(400, 'a') + " cat cat cat cat cat cat cat cat cat cat cat cat"};
  const auto cut =
      Reranker<TypeParam>(*opened.model, *opened.tokenizer)
          .rank("once upon a time there was a cat that saw a bird once upon a time", longer);
  EXPECT_TRUE(cut[0].truncated);
  expect_error(ErrorCode::context_overflow, "33", [&] {
    whole.rank("once upon a time there was a cat that saw a bird once upon a time", longer);
  });
}

}  // namespace
