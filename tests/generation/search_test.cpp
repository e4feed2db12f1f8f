// Greedy decoding and beam search against the reference's sequences, and beam search against the
// enumeration of all sequences.
#include <cmath>

#include "core/json.hpp"
#include "generation/toy.hpp"
#include "llm/generation/scores.hpp"

namespace llm {
namespace {

using detail::Json;

GenerationConfig search_config(const Json& options) {
  GenerationConfig config;
  for (const auto& [name, value] : options.items()) config.set(name, value.dump(), "test");
  return config;
}

// The model of a case: a table [position][token][next token].
toy::Model<double> table_model(const Json& file, const Json& test) {
  const auto vocabulary = file["vocabulary"].get<std::size_t>();
  auto table = std::make_shared<std::vector<double>>(
      file["models"][test["model"].get<std::size_t>()]["logits"].get<std::vector<double>>());
  toy::Model<double> model;
  model.vocabulary = static_cast<std::int64_t>(vocabulary);
  model.context = file["context"].get<std::int64_t>();
  model.rule = [table, vocabulary](std::span<const TokenId> ids, std::span<double> logits) {
    const std::size_t row = (ids.size() - 1) * vocabulary + static_cast<std::size_t>(ids.back());
    std::copy_n(table->begin() + static_cast<std::ptrdiff_t>(row * vocabulary), vocabulary,
                logits.begin());
  };
  return model;
}

TEST(Search, EqualsTheReference) {
  const Json file = detail::read_json_file(LLM_SOURCE_DIR "/tests/generation/data/searches.json");
  for (const Json& test : file["cases"]) {
    const auto model = table_model(file, test);
    const GenerationConfig config = search_config(test["options"]);
    GenerationRequest request;
    request.ids = test["prompt"].get<std::vector<TokenId>>();
    const auto results = Generator<double>(model).generate_all(request, config);
    const auto expected = test["sequences"].get<std::vector<std::vector<TokenId>>>();
    EXPECT_EQ(padded_sequences(results, config), expected)
        << "model " << test["model"] << " prompt " << test["prompt"] << " " << test["options"];
    for (std::size_t i = 0; i < results.size() && test.contains("scores"); ++i) {
      ASSERT_TRUE(results[i].score);
      EXPECT_NEAR(*results[i].score, test["scores"][i].get<double>(), 1e-9) << test["options"];
    }
  }
}

struct Scored {
  std::vector<TokenId> ids;
  double score;
};

// Every sequence that ends in eos (token 0) or has `length` new tokens, best first.
std::vector<Scored> enumerate(const toy::Model<double>& model, std::vector<TokenId> prompt,
                              std::size_t length, double penalty) {
  std::vector<Scored> complete;
  std::vector<Scored> open{{prompt, 0.0}};
  while (!open.empty()) {
    const Scored parent = open.back();
    open.pop_back();
    toy::State<double> state;
    state.ids = parent.ids;
    std::vector<double> logits(static_cast<std::size_t>(model.vocabulary));
    model.fill(state, logits);
    const double norm = detail::log_sum_exp(std::span<const double>(logits));
    for (std::size_t i = 0; i < logits.size(); ++i) {
      Scored next{parent.ids, parent.score + logits[i] - norm};
      next.ids.push_back(static_cast<TokenId>(i));
      const std::size_t size = next.ids.size() - prompt.size();
      if (i == 0 || size == length) {
        next.score /= std::pow(static_cast<double>(size), penalty);
        complete.push_back(std::move(next));
      } else {
        open.push_back(std::move(next));
      }
    }
  }
  std::ranges::sort(complete, std::greater<>(), &Scored::score);
  return complete;
}

TEST(Search, WideBeamsFindTheBestSequences) {
  for (std::int32_t prompt = 0; prompt < 8; ++prompt) {
    for (const double penalty : {0.0, 1.0, 2.0, -0.5}) {
      toy::Model<double> model;
      model.vocabulary = 4;
      GenerationConfig config;
      config.num_beams = 256;  // as many as there are sequences of 4 tokens
      config.num_return_sequences = 10;
      config.max_new_tokens = 4;
      config.eos_token_id = {0};
      config.length_penalty = penalty;
      config.early_stopping = EarlyStopping::never;
      GenerationRequest request;
      request.ids = {prompt % 4, prompt / 4};
      const auto results = Generator<double>(model).generate_all(request, config);
      const auto expected = enumerate(model, request.ids, 4, penalty);
      for (std::size_t i = 0; i < results.size(); ++i) {
        EXPECT_EQ(results[i].sequence, expected[i].ids) << prompt << " " << penalty << " " << i;
        EXPECT_NEAR(*results[i].score, expected[i].score, 1e-12);
      }
    }
  }
}

TEST(Search, SampledBeamsAreDifferentAndReproducible) {
  toy::Model<double> model;
  GenerationConfig config;
  config.max_new_tokens = 6;
  config.num_beams = 3;
  config.num_return_sequences = 3;
  config.do_sample = true;
  config.seed = 5;
  config.top_k = 3;
  const Generator<double> generator(model);
  GenerationRequest request;
  request.ids = {3};
  const auto first = generator.generate_all(request, config);
  const auto again = generator.generate_all(request, config);
  ASSERT_EQ(first.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(first[i].sequence, again[i].sequence);
  EXPECT_NE(first[0].sequence, first[1].sequence);
  config.seed = 6;
  EXPECT_NE(generator.generate_all(request, config)[0].sequence, first[0].sequence);
}

// Everything but a few tokens banned, more beams than continuations: ends, and stays in bounds.
TEST(Search, MoreBeamsThanContinuations) {
  for (const bool sample : {false, true}) {
    toy::Model<double> model;
    model.vocabulary = 3;
    GenerationConfig config;
    config.max_new_tokens = 5;
    config.num_beams = 16;
    config.num_return_sequences = 16;
    config.do_sample = sample;
    config.suppress_tokens = {1, 2};
    config.eos_token_id = {2};
    GenerationRequest request;
    request.ids = {1};
    const auto results = Generator<double>(model).generate_all(request, config);
    ASSERT_EQ(results.size(), 16u);
    EXPECT_EQ(results[0].new_ids, std::vector<TokenId>(5, 0));
  }
}

}  // namespace
}  // namespace llm
