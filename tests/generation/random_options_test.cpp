// Random combinations of options against the reference in float64: what generate() returns for
// models under models/, and what its processors leave of random scores.
#include <cmath>
#include <fstream>
#include <map>

#include "core/json.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/generation/processors.hpp"
#include "llm/model/model.hpp"
#include "support/json_rows.hpp"
#include "support/paths.hpp"

namespace llm {
namespace {

using detail::Json;

std::vector<Json> random_rows(const std::string& file) {
  return test::read_rows<Json>(
      std::ifstream(test::source_dir() / "tests/generation/data" / file, std::ios::binary));
}

void set_options(GenerationConfig& config, const Json& options) {
  for (const auto& [name, value] : options.items()) config.set(name, value.dump(), "test");
}

TEST(RandomOptions, SequencesEqualTheReference) {
  std::map<std::string, std::unique_ptr<Model<double>>> models;
  std::size_t checked = 0;
  for (const Json& row : random_rows("random_generations.jsonl")) {
    const auto path = test::model_dir(row["model"]);
    auto& model = models[row["model"]];
    if (!model) model = Model<double>::load(path, {1});
    GenerationConfig config = model_generation_config(path, model->config());
    set_options(config, row["options"]);
    GenerationRequest request;
    request.ids = row["prompt"].get<std::vector<TokenId>>();
    const auto results = Generator<double>(*model).generate_all(request, config);
    EXPECT_EQ(Json(padded_sequences(results, config)), row["sequences"]) << row;
    for (std::size_t i = 0; i < results.size() && row.contains("scores"); ++i) {
      ASSERT_TRUE(results[i].score);
      // Of the reference's own constants some have nine digits only (BLOOM's activation).
      EXPECT_NEAR(*results[i].score, row["scores"][i].get<double>(), 1e-8) << row;
    }
    ++checked;
  }
  EXPECT_GT(checked, 300u);
}

template <typename S>
std::vector<S> row_of_scores(const Json& row) {
  std::vector<S> scores;
  for (const Json& value : row) {
    scores.push_back(value.is_null() ? detail::minus_infinity<S> : static_cast<S>(value));
  }
  return scores;
}

template <typename S>
std::vector<S> processed(const Json& row) {
  GenerationConfig config;
  set_options(config, row["options"]);
  const auto ids = row["ids"].get<std::vector<TokenId>>();
  const auto length = row["prompt_length"].get<std::int64_t>();
  const SequenceView view{ids, std::span(ids).first(static_cast<std::size_t>(length)), length, 100};
  std::vector<S> scores = row_of_scores<S>(row["scores"]);
  for (const auto& processor : make_processors<S>(config)) processor->apply(view, scores);
  return scores;
}

bool is_close(double a, double b) { return a == b || std::abs(a - b) <= 1e-12 * (1 + std::abs(b)); }

// Which of several equal scores the reference keeps is up to its sort: as many of each must be
// kept.
TEST(RandomOptions, ProcessorsKeepWhatTheReferenceKeeps) {
  std::size_t checked = 0;
  for (const Json& row : random_rows("random_warpers.jsonl")) {
    auto expected = row_of_scores<double>(row["expected"]), got = processed<double>(row);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::isinf(got[i]) || std::isinf(expected[i])) continue;
      EXPECT_TRUE(is_close(got[i], expected[i])) << i << " " << row;
    }
    std::ranges::sort(expected);
    std::ranges::sort(got);
    EXPECT_TRUE(std::ranges::equal(got, expected, is_close)) << Json(got) << row;
    ++checked;
  }
  EXPECT_GE(checked, 300u);
}

}  // namespace
}  // namespace llm
