// Every processor, and their order, against values of the reference in float64.
#include "llm/generation/processors.hpp"

#include <cmath>
#include <fstream>

#include "core/json.hpp"

namespace llm {
namespace {

using detail::Json;

Json cases() {
  return detail::read_json_file(LLM_SOURCE_DIR "/tests/generation/data/processors.json")["cases"];
}

template <typename S>
std::vector<S> scores_of(const Json& row) {
  std::vector<S> scores;
  for (const Json& value : row) {
    scores.push_back(value.is_null() ? detail::minus_infinity<S> : value.get<S>());
  }
  return scores;
}

GenerationConfig config_of(const Json& parameters) {
  GenerationConfig config;
  for (const auto& [name, value] : parameters.items()) {
    if (name == "min_tokens_to_keep" || name == "is_encoder_decoder") continue;
    config.set(name, value.dump(), "test");
  }
  return config;
}

// The chain for a case; single warpers are built by hand for their min_tokens_to_keep.
template <typename S>
ProcessorList<S> processors_of(const Json& test) {
  const std::string name = test["processor"];
  const Json& parameters = test["parameters"];
  const auto keep = parameters.value("min_tokens_to_keep", std::size_t{1});
  GenerationConfig c = config_of(parameters);
  if (name == "top_k") return {std::make_shared<TopK<S>>(c.top_k, keep)};
  if (name == "top_p") return {std::make_shared<TopP<S>>(c.top_p, keep)};
  if (name == "min_p") return {std::make_shared<MinP<S>>(*c.min_p, keep)};
  if (name == "typical_p") return {std::make_shared<TypicalP<S>>(c.typical_p, keep)};
  if (name == "temperature") return {std::make_shared<Temperature<S>>(c.temperature)};
  return make_processors<S>(c);
}

template <typename S>
std::vector<S> run(const Json& test) {
  const auto ids = test["input_ids"].get<std::vector<TokenId>>();
  const auto source = test.value("encoder_input_ids", std::vector<TokenId>());
  const SequenceView view{ids, source, test["prompt_length"].get<std::int64_t>(),
                          test.value("max_length", std::int64_t{1000})};
  std::vector<S> scores = scores_of<S>(test["scores"]);
  for (const auto& processor : processors_of<S>(test)) {
    processor->apply(view, std::span<S>(scores));
  }
  return scores;
}

// Which of several equal scores the reference keeps may be up to its sort: then only how many.
template <typename S>
void sort_ambiguous(const Json& test, std::vector<S>& a, std::vector<S>& b) {
  if (!test.value("ambiguous", false)) return;
  std::ranges::sort(a);
  std::ranges::sort(b);
}

TEST(Processors, EqualTheReferenceInDouble) {
  std::size_t checked = 0;
  for (const Json& test : cases()) {
    auto expected = scores_of<double>(test["expected"]);
    auto got = run<double>(test);
    sort_ambiguous(test, expected, got);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (std::isinf(expected[i])) {
        EXPECT_EQ(got[i], expected[i]) << test["name"] << " token " << i;
      } else {
        EXPECT_NEAR(got[i], expected[i], 1e-12 * (1 + std::abs(expected[i])))
            << test["name"] << " token " << i;
      }
    }
    ++checked;
  }
  EXPECT_GT(checked, 300u);
}

TEST(Processors, FloatKeepsTheSameTokens) {
  for (const Json& test : cases()) {
    auto expected = scores_of<float>(test["expected"]);
    auto got = run<float>(test);
    sort_ambiguous(test, expected, got);
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(std::isinf(got[i]), std::isinf(expected[i])) << test["name"] << " token " << i;
    }
  }
}

// The head of a large vocabulary is found without sorting it all; a full sort says the same.
TEST(Processors, TopPOfALargeVocabulary) {
  for (const double p : {0.01, 0.5, 0.9, 0.999, 0.9999999}) {
    std::vector<double> scores(50000);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      scores[i] = std::floor(100 * std::sin(static_cast<double>(i * i % 7919))) / 20;
    }
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
      return scores[a] != scores[b] ? scores[a] < scores[b] : a > b;
    });
    double total = 0.0;
    for (const double s : scores) total += std::exp(s);
    std::vector<bool> kept(scores.size(), true);
    double sum = 0.0;
    for (const std::size_t i : order) {
      sum += std::exp(scores[i]) / total;
      if (sum > 1 - p + 1e-11) break;
      kept[i] = false;
    }
    TopP<double>(p, 1).apply({}, scores);
    std::size_t differ = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) differ += std::isinf(scores[i]) == kept[i];
    EXPECT_LE(differ, 1u) << p;  // the last token of a tie may fall on either side of rounding
  }
}

// Beside one token all others have a probability that is 0 as a number: the best of them stays, as
// in the reference.
TEST(Processors, TopPKeepsTheBestOfWhatHasNoProbability) {
  std::vector<double> scores{0.416, 0.32, -0.642, 0.988, -0.288, 4000.988, 0.77};
  TopP<double>(0.1, 2).apply({}, scores);
  constexpr double out = -INFINITY;
  EXPECT_EQ(scores, (std::vector<double>{out, out, out, 0.988, out, 4000.988, out}));
}

TEST(Processors, OwnOnesStandBeforeTheDistribution) {
  GenerationConfig config;
  config.do_sample = true;
  config.temperature = 0.5;
  config.suppress_tokens = {1};
  config.renormalize_logits = true;
  const auto own = std::make_shared<MinNewTokens<float>>(3, std::vector<TokenId>{2});
  const auto list = make_processors<float>(config, {own});
  std::string names;
  for (const auto& processor : list) names += std::string(processor->name()) + " ";
  EXPECT_EQ(names, "suppress_tokens min_new_tokens temperature top_k renormalize_logits ");
}

TEST(Processors, TokensOutsideTheVocabularyAreIgnored) {
  GenerationConfig config;
  config.suppress_tokens = {5, -3, 1000000};
  config.repetition_penalty = 2.0;
  config.no_repeat_ngram_size = 1;
  std::vector<float> scores{1, 1, 1};
  const std::vector<TokenId> ids{7, -1, 2000000000, 1};
  for (const auto& processor : make_processors<float>(config)) {
    processor->apply({ids, ids, 4, 10}, scores);
  }
  EXPECT_EQ(scores, (std::vector<float>{1, -INFINITY, 1}));
}

TEST(Processors, InfiniteScoresDoNoHarm) {
  GenerationConfig config;
  config.do_sample = true;
  config.temperature = 0.5;
  config.top_p = 0.9;
  config.min_p = 0.1;
  config.typical_p = 0.5;
  config.remove_invalid_values = true;  // leaves the largest number, which temperature doubles
  std::vector<double> scores(1000, INFINITY);
  scores[7] = NAN;
  scores[8] = 1;
  for (const auto& processor : make_processors<double>(config)) processor->apply({}, scores);
  EXPECT_EQ(scores[8], -INFINITY);
}

TEST(Processors, InvalidValuesAreReplaced) {
  std::vector<double> scores{NAN, INFINITY, -INFINITY, 2};
  RemoveInvalidValues<double>().apply({}, scores);
  constexpr double largest = std::numeric_limits<double>::max();
  EXPECT_EQ(scores, (std::vector<double>{0, largest, -largest, 2}));
}

}  // namespace
}  // namespace llm
