// Log-probabilities and perplexity against the reference in float64
// (tests/support/make_score_vectors.py), and that a score depends on nothing but its request.
#include "llm/generation/scorer.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>

#include "core/json.hpp"
#include "generation/toy.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"

namespace llm::test {
namespace {

using detail::Json;

const Json& vectors() {
  static const Json json =
      detail::read_json_file(source_dir() / "tests/generation/data/scores.json");
  return json;
}

template <typename S>
struct Opened {
  explicit Opened(const std::string& name, int threads = 1)
      : tokenizer(Tokenizer::open(models_dir() / name)),
        model(Model<S>::load(models_dir() / name, LoadOptions{.threads = threads})) {}

  Scorer<S> scorer(std::int64_t step_tokens = 256) const {
    return Scorer<S>(*model, tokenizer.get(),
                     {.step_tokens = step_tokens, .decoder_start = TokenId{0}});
  }
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Model<S>> model;
};

std::vector<std::string> texts_of(const Json& row) {
  std::vector<std::string> texts;
  for (const Json& completion : row["completions"]) texts.push_back(completion["text"]);
  return texts;
}

// Every completion's ids are exactly the reference's, every log-probability within `tolerance`.
void check_row(const Json& row, const ScoreResult& result, double tolerance) {
  ASSERT_FALSE(result.error) << result.error->message;
  ASSERT_EQ(result.continuations.size(), row["completions"].size());
  for (std::size_t i = 0; i < result.continuations.size(); ++i) {
    const Json& expected = row["completions"][i];
    const ContinuationScore& score = result.continuations[i];
    std::vector<TokenId> ids;
    double sum = 0;
    for (std::size_t k = 0; k < score.tokens.size(); ++k) {
      ids.push_back(score.tokens[k].id);
      sum += expected["logprobs"][k].get<double>();
      EXPECT_NEAR(score.tokens[k].logprob, expected["logprobs"][k].get<double>(), tolerance)
          << row["model"] << expected["text"] << " token " << k;
    }
    EXPECT_EQ(ids, expected["ids"].get<std::vector<TokenId>>()) << row["model"] << expected["text"];
    EXPECT_NEAR(score.logprob, sum, tolerance * static_cast<double>(ids.size()));
  }
}

TEST(Scorer, LogprobsAreTheReferences) {
  std::map<std::string, std::unique_ptr<Opened<double>>> models;
  for (const Json& row : vectors()["rows"]) {
    const std::string name = row["model"];
    if (name.starts_with("downloaded/")) continue;
    auto& opened = models[name];
    if (!opened) opened = std::make_unique<Opened<double>>(name);
    const auto scorer = opened->scorer();
    const ScoreRequest request = scorer.request(row["prompt"].get<std::string>(), texts_of(row));
    check_row(row, scorer.score({&request, 1})[0], 1e-9);
  }
  EXPECT_EQ(models.size(), 4u);
}

// Weights of 4 bits beside activations of 16, in 30 layers: the largest difference measured is
// 1.5e-3.
TEST(Scorer, LogprobsOfSmolLM2AreTheReferences) {
  std::unique_ptr<Opened<float>> opened;
  for (const Json& row : vectors()["rows"]) {
    const std::string name = row["model"];
    if (!name.starts_with("downloaded/")) continue;
    if (!std::filesystem::exists(models_dir() / name)) GTEST_SKIP() << "not fetched: " << name;
    if (!opened) opened = std::make_unique<Opened<float>>(name, 0);
    const auto scorer = opened->scorer();
    const ScoreRequest request = scorer.request(row["prompt"].get<std::string>(), texts_of(row));
    check_row(row, scorer.score({&request, 1})[0], 5e-3);
  }
}

TEST(Scorer, PerplexityIsTheReferences) {
  const std::string text = vectors()["text"];
  for (const Json& row : vectors()["perplexities"]) {
    const Opened<double> opened(row["model"].get<std::string>());
    const auto ids = opened.tokenizer->encode(text).ids;
    const Perplexity result = opened.scorer().perplexity(ids, row["window"], row["stride"]);
    EXPECT_EQ(result.tokens, row["tokens"].get<std::int64_t>()) << row;
    EXPECT_NEAR(result.nll, row["nll"].get<double>(), 1e-9) << row;
    EXPECT_DOUBLE_EQ(result.value, std::exp(result.nll));
  }
}

bool same(const ScoreResult& a, const ScoreResult& b) {
  if (a.error || b.error || a.continuations.size() != b.continuations.size()) return false;
  for (std::size_t i = 0; i < a.continuations.size(); ++i) {
    const auto &x = a.continuations[i].tokens, &y = b.continuations[i].tokens;
    const auto equal = [](const TokenScore& p, const TokenScore& q) {
      return p.id == q.id && p.logprob == q.logprob;  // to the bit
    };
    if (!std::ranges::equal(x, y, equal)) return false;
    if (a.continuations[i].logprob != b.continuations[i].logprob) return false;
  }
  return true;
}

TEST(Scorer, AScoreDependsOnItsRequestAlone) {
  for (const char* name : {"llama-gqa", "llama-rope-llama3", "t5-v1_0"}) {
    const Opened<float> one(name, 1), three(name, 3);
    std::vector<ScoreRequest> requests;
    std::vector<ScoreResult> alone;
    const std::string shared = "The header that all of these prompts begin with.\n";
    for (const Json& row : vectors()["rows"]) {
      if (row["model"] != name) continue;
      const std::string prompt = row["prompt"];
      for (const std::string& text : {prompt, shared + prompt})
        requests.push_back(one.scorer().request(text, texts_of(row)));
    }
    for (const ScoreRequest& request : requests)
      alone.push_back(std::move(one.scorer().score({&request, 1})[0]));
    std::vector<ScoreRequest> backwards(requests.rbegin(), requests.rend());
    std::vector<ScoreRequest> odd;  // all share the header
    for (std::size_t i = 1; i < requests.size(); i += 2) odd.push_back(requests[i]);
    for (const std::int64_t step_tokens : {1, 7, 256}) {
      for (const auto* opened : {&one, &three}) {
        const auto scorer = opened->scorer(step_tokens);
        const auto forth = scorer.score(requests), back = scorer.score(backwards);
        for (std::size_t i = 0; i < requests.size(); ++i) {
          EXPECT_TRUE(same(forth[i], alone[i])) << name << " " << step_tokens << " " << i;
          EXPECT_TRUE(same(back[requests.size() - 1 - i], alone[i])) << name << " " << i;
        }
        const auto sharing = scorer.score(odd);
        for (std::size_t i = 0; i < odd.size(); ++i)
          EXPECT_TRUE(same(sharing[i], alone[2 * i + 1])) << name << " " << i;
        if (opened->model->is_encoder_decoder()) continue;
        const auto kept = scorer.read(odd[0].context);
        const auto forked = scorer.score(requests, &kept);
        for (std::size_t i = 0; i < requests.size(); ++i)
          EXPECT_TRUE(same(forked[i], alone[i])) << name << " " << i;
      }
    }
  }
}

TEST(Scorer, ComputesASharedPrefixOnce) {
  const Opened<float> opened("llama-gqa");
  toy::Model<double> model;
  const Scorer<double> scorer(model);
  std::vector<ScoreRequest> requests;
  for (TokenId i = 0; i < 5; ++i) {
    std::vector<TokenId> context(100, 3);
    context.push_back(i);
    requests.push_back({{}, context, {{{1}, 0}, {{2}, 0}, {{3}, 0}}});
  }
  const auto kept = scorer.read(std::vector<TokenId>(100, 3));
  model.tokens = 0;
  scorer.score(requests, &kept);
  EXPECT_EQ(model.tokens, 5);
  model.tokens = 0;
  scorer.score(requests);
  EXPECT_EQ(model.tokens, 105);
}

TEST(Scorer, GivenTokensAreReadButNotCounted) {
  toy::Model<double> model;
  const Scorer<double> scorer(model);
  const ScoreRequest whole{{}, {1, 2}, {{{3}, 0}}};
  const ScoreRequest given{{}, {1}, {{{2, 3}, 1}}};
  EXPECT_TRUE(same(scorer.score({&whole, 1})[0], scorer.score({&given, 1})[0]));
}

TEST(Scorer, BadRequestsFailAlone) {
  toy::Model<double> model;
  model.context = 4;
  const Scorer<double> scorer(model);
  const std::vector<ScoreRequest> requests = {{{}, {1}, {{{2}, 0}}},
                                              {{}, {}, {{{2}, 0}}},
                                              {{}, {99}, {{{2}, 0}}},
                                              {{}, {1}, {{{-1}, 0}}},
                                              {{}, {1}, {{{}, 0}}},
                                              {{}, {1}, {{{2}, 1}}},
                                              {{}, {1, 2, 3}, {{{2, 3, 4}, 0}}},
                                              {{1}, {1}, {{{2}, 0}}},
                                              {{}, {1, 2, 3}, {{{2, 3}, 0}}}};
  const auto results = scorer.score(requests);
  for (std::size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(results[i].error.has_value(), i != 0 && i != 8) << i;
  EXPECT_EQ(results[6].error->code, ErrorCode::context_overflow);
  EXPECT_TRUE(scorer.score({}).empty());
  const std::vector<TokenId> ids = {1, 2, 3};
  for (const auto& [window, stride] : {std::pair{1, 1}, std::pair{2, 3}, std::pair{4, 0}})
    EXPECT_EQ(catch_error([&, w = window, s = stride] { scorer.perplexity(ids, w, s); }).code(),
              ErrorCode::invalid_option);
  EXPECT_EQ(catch_error([&] {
              scorer.perplexity({ids.data(), 1}, 4, 2);
            }).code(),
            ErrorCode::invalid_input);
}

TEST(Scorer, TextsThatCannotBeScored) {
  const Opened<float> gpt2("gpt2-inner");
  const auto refused = [&](const std::string& prompt, const std::string& completion) {
    const std::vector<std::string> completions = {completion};
    return catch_error([&] { gpt2.scorer().request(prompt, completions); }).code();
  };
  EXPECT_EQ(refused("Once", ""), ErrorCode::invalid_input);
  EXPECT_EQ(refused("", "Once"), ErrorCode::invalid_input);  // no token stands before it
}

}  // namespace
}  // namespace llm::test
