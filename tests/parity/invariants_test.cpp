// What needs no reference: the float bits of a sequence's logits depend on its tokens alone. Not on
// how its prompt was chunked, what else was in the batch and where, how many threads computed it,
// or whether its past was computed by itself or shared by a fork.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "llm/model/model.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"

namespace {

using llm::TokenId;
using Ids = std::vector<TokenId>;
using Logits = std::vector<float>;  // of the last token

class Invariants : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    for (int threads = 1; threads <= 3; ++threads) {
      models_.push_back(llm::Model<float>::load(llm::test::models_dir() / GetParam(), {threads}));
    }
  }

  const llm::Model<float>& model(int threads = 1) const {
    return *models_[static_cast<std::size_t>(threads - 1)];
  }

  Ids random_ids(std::size_t count, unsigned seed) const {
    std::mt19937 random(seed);
    Ids ids(count);
    for (TokenId& id : ids) {
      id = static_cast<TokenId>(random() % static_cast<unsigned>(model().config().vocab_size));
    }
    return ids;
  }

  std::unique_ptr<llm::SequenceState<float>> start(const Ids& source, int threads = 1) {
    std::span<const TokenId> ids = source;
    if (!model().is_encoder_decoder()) ids = {};
    return std::move(model(threads).start({&ids, 1}, workspace_).front());
  }

  Logits step(llm::SequenceState<float>& state, std::span<const TokenId> ids, int threads = 1) {
    const llm::StepInput<float> input{&state, ids};
    const auto logits = model(threads).step({&input, 1}, workspace_);
    return {logits.row(0).begin(), logits.row(0).end()};
  }

  // Prefill in chunks of at most `chunk`.
  Logits run(llm::SequenceState<float>& state, const Ids& ids, std::size_t chunk, int threads = 1) {
    Logits last;
    for (std::size_t at = 0; at < ids.size(); at += chunk) {
      last = step(state, std::span(ids).subspan(at, std::min(chunk, ids.size() - at)), threads);
    }
    return last;
  }

  static bool same_bits(const Logits& a, const Logits& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
  }

  std::vector<std::unique_ptr<llm::Model<float>>> models_;
  llm::Workspace workspace_;
};

// 150 tokens cross two borders of pages.
constexpr std::size_t prompt_length = 150;

TEST_P(Invariants, ChunksAndThreads) {
  const Ids prompt = random_ids(prompt_length, 1), source = random_ids(70, 2);
  const auto whole = start(source);
  const Logits expected = run(*whole, prompt, prompt_length);
  for (const int threads : {1, 2, 3}) {
    for (const std::size_t chunk : {1u, 7u, 33u, 64u, 100u, 150u}) {
      const auto state = start(source, threads);
      EXPECT_TRUE(same_bits(run(*state, prompt, chunk, threads), expected))
          << "chunk " << chunk << ", threads " << threads;
    }
  }
}

TEST_P(Invariants, BatchCompositionAndOrder) {
  std::vector<Ids> prompts, sources;
  std::vector<Logits> alone;
  for (unsigned i = 0; i < 9; ++i) {
    prompts.push_back(random_ids(1 + 17 * i, 10 + i));
    sources.push_back(random_ids(3 + 11 * i, 30 + i));
    const auto state = start(sources.back());
    alone.push_back(run(*state, prompts.back(), prompt_length));
  }
  std::mt19937 random(5);
  for (int round = 0; round < 6; ++round) {
    std::vector<std::size_t> order{0, 1, 2, 3, 4, 5, 6, 7, 8};
    std::shuffle(order.begin(), order.end(), random);
    order.resize(1 + random() % order.size());
    const int threads = 1 + round % 3;
    std::vector<std::span<const TokenId>> batch_sources;
    for (const std::size_t i : order) {
      batch_sources.emplace_back(model().is_encoder_decoder() ? std::span<const TokenId>(sources[i])
                                                              : std::span<const TokenId>());
    }
    const auto states = model(threads).start(batch_sources, workspace_);
    std::vector<llm::StepInput<float>> batch;
    for (std::size_t k = 0; k < order.size(); ++k) {
      batch.push_back({states[k].get(), prompts[order[k]]});
    }
    const auto logits = model(threads).step(batch, workspace_);
    for (std::size_t k = 0; k < order.size(); ++k) {
      const auto row = static_cast<std::int64_t>(k);
      EXPECT_TRUE(same_bits({logits.row(row).begin(), logits.row(row).end()}, alone[order[k]]))
          << "sequence " << order[k] << " at place " << k << " of " << order.size();
    }
  }
}

TEST_P(Invariants, AllLogitsEqualStepByStep) {
  const Ids prompt = random_ids(70, 3), source = random_ids(20, 4);
  const auto whole = start(source);
  const llm::StepInput<float> input{whole.get(), prompt, true};
  const auto all = model(2).step({&input, 1}, workspace_);
  std::vector<Logits> rows;
  for (std::int64_t r = 0; r < all.rows(); ++r) {
    rows.emplace_back(all.row(r).begin(), all.row(r).end());
  }
  const auto state = start(source);
  for (std::size_t t = 0; t < prompt.size(); ++t) {
    EXPECT_TRUE(same_bits(step(*state, std::span(prompt).subspan(t, 1)), rows[t])) << t;
  }
}

TEST_P(Invariants, ForksAreSeparate) {
  const Ids prefix = random_ids(90, 6), source = random_ids(20, 7);
  const auto trunk = start(source);
  run(*trunk, prefix, 64);
  std::vector<std::unique_ptr<llm::SequenceState<float>>> forks;
  for (int i = 0; i < 3; ++i) forks.push_back(trunk->fork());
  for (unsigned i = 0; i < 3; ++i) {
    Ids whole = prefix;
    const Ids tail = random_ids(40 + i, 40 + i);
    whole.insert(whole.end(), tail.begin(), tail.end());
    const auto fresh = start(source);
    EXPECT_TRUE(same_bits(run(*forks[i], tail, 9), run(*fresh, whole, prompt_length)));
  }
  // The trunk has not noticed.
  const Ids tail = random_ids(5, 50);
  Ids whole = prefix;
  whole.insert(whole.end(), tail.begin(), tail.end());
  const auto fresh = start(source);
  EXPECT_TRUE(same_bits(run(*trunk, tail, 5), run(*fresh, whole, prompt_length)));
}

TEST_P(Invariants, TruncationForgets) {
  const Ids prompt = random_ids(100, 8), source = random_ids(20, 9);
  const auto state = start(source);
  const Logits expected = run(*state, prompt, 100);
  run(*state, random_ids(40, 60), 40);
  state->truncate(63);
  const Ids rest(prompt.begin() + 63, prompt.end());
  EXPECT_TRUE(same_bits(run(*state, rest, 37), expected));
}

// Keys and values rounded to bf16: the same invariants, and nearly the same logits.
TEST_P(Invariants, Bf16KeysAndValues) {
  std::vector<std::unique_ptr<llm::Model<float>>> rounded;
  for (int threads = 1; threads <= 2; ++threads) {
    llm::LoadOptions options{threads};
    options.kv = llm::KVType::bf16;
    rounded.push_back(llm::Model<float>::load(llm::test::models_dir() / GetParam(), options));
  }
  const Ids prompt = random_ids(prompt_length, 1), source = random_ids(70, 2);
  const auto full = start(source);
  const Logits expected = run(*full, prompt, prompt_length);
  models_.swap(rounded);
  const auto whole = start(source);
  const Logits logits = run(*whole, prompt, prompt_length);
  for (const std::size_t chunk : {1u, 33u, 150u}) {
    for (const int threads : {1, 2}) {
      const auto state = start(source, threads);
      const auto fork = state->fork();
      EXPECT_TRUE(same_bits(run(*fork, prompt, chunk, threads), logits)) << chunk;
    }
  }
  models_.swap(rounded);
  EXPECT_FALSE(same_bits(logits, expected));
  // A rounding of 2^-9 in each key and value; the scores of T5 are not scaled down, so that there
  // it counts several times.
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    difference = std::max(difference, std::abs(static_cast<double>(logits[i]) - expected[i]));
  }
  EXPECT_LT(difference, 0.08 * largest);
}

// Beams of one source and other rows in one step: each as if it were alone.
TEST_P(Invariants, SeveralSequencesOfOneSource) {
  const Ids source = random_ids(70, 2), other = random_ids(30, 3), ids = random_ids(8, 4);
  const auto trunk = start(source), stranger = start(other);
  std::vector<std::unique_ptr<llm::SequenceState<float>>> states;
  for (int i = 0; i < 8; ++i) states.push_back(i == 5 ? stranger->fork() : trunk->fork());
  std::vector<llm::StepInput<float>> batch;
  for (std::size_t i = 0; i < states.size(); ++i) {
    batch.push_back({states[i].get(), std::span(ids).subspan(i, 1)});
  }
  const auto logits = model(2).step(batch, workspace_);
  std::vector<Logits> rows;
  for (std::int64_t r = 0; r < logits.rows(); ++r) {
    rows.emplace_back(logits.row(r).begin(), logits.row(r).end());
  }
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto alone = start(i == 5 ? other : source);
    EXPECT_TRUE(same_bits(step(*alone, std::span(ids).subspan(i, 1)), rows[i])) << i;
  }
}

// What is no state of the model is refused before anything changes.
TEST_P(Invariants, StatesThatDoNotFitAreRefused) {
  const auto own = start(random_ids(5, 2));
  const Ids ids = random_ids(2, 3);
  const bool other_kind = model(1).is_encoder_decoder();
  const auto other_model = llm::Model<float>::load(
      llm::test::models_dir() / (other_kind ? "llama-gqa" : "bart-lm"), {.threads = 1});
  const Ids other_source{1, 2};
  const std::span<const TokenId> source = other_kind ? std::span<const TokenId>() : other_source;
  const auto foreign = std::move(other_model->start({&source, 1}, workspace_).front());
  const auto refuse = [&](const char* message, std::vector<llm::StepInput<float>> batch) {
    llm::test::expect_error(llm::ErrorCode::invalid_input, message,
                            [&] { model(1).step(batch, workspace_); });
    EXPECT_EQ(own->length(), 0);
  };
  refuse("no state", {{own.get(), ids}, {nullptr, ids}});
  refuse("another model", {{own.get(), ids}, {foreign.get(), ids}});
  refuse("same state", {{own.get(), ids}, {own.get(), ids}});
}

INSTANTIATE_TEST_SUITE_P(
    Fixtures, Invariants,
    testing::Values("llama-gqa", "llama-head-dim", "gguf-llama-q4_1", "gguf-llama-mixed",
                    "llama-wide", "gguf-llama-q8_0", "gpt2-scaled", "t5-v1_1", "t5-depths",
                    "gpt_neo-windows", "bloom-residual", "mistral-window", "qwen2-windows",
                    "qwen3-lm", "openai-gpt-lm", "umt5-lm", "smollm3-windows", "bloom-12-heads",
                    "llama-rope-yarn", "llama-rope-dynamic", "gguf-qwen2-q8_0",
                    "gguf-t5-untied-f16", "gemma2-lm", "gemma3_text-lm", "gpt_neox-lm", "phi3-lm",
                    "ministral3-lm", "olmo-lm", "olmo2-lm", "cohere-norms", "falcon-groups",
                    "granite-lm", "hunyuan_v1_dense-lm", "mpt-lm"),
    [](const auto& fixture) {
      std::string name = fixture.param;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// The same for encoders: a text's hidden states do not depend on its neighbours or on threads.
class EncoderInvariants : public testing::TestWithParam<std::string> {};

TEST_P(EncoderInvariants, BatchAndThreads) {
  const auto folder = llm::test::models_dir() / GetParam();
  const auto model = llm::Model<float>::load(folder, {1});
  llm::Workspace workspace;
  std::mt19937 random(11);
  std::vector<Ids> texts(7);
  std::vector<Logits> alone;
  for (Ids& text : texts) {
    text.resize(1 + random() % 30);
    for (TokenId& id : text) {
      id = static_cast<TokenId>(random() % static_cast<unsigned>(model->config().vocab_size));
    }
    const llm::EncoderInput input{text, {}};
    const auto hidden = model->hidden_states({&input, 1}, workspace);
    alone.emplace_back(hidden.data(), hidden.data() + hidden.rows() * hidden.cols());
  }
  for (const int threads : {1, 2, 3}) {
    const auto other = llm::Model<float>::load(folder, {threads});
    std::vector<llm::EncoderInput> batch;
    Logits expected;
    for (std::size_t i = texts.size(); i-- > 0;) {
      batch.push_back({texts[i], {}});
      expected.insert(expected.end(), alone[i].begin(), alone[i].end());
    }
    const auto hidden = other->hidden_states(batch, workspace);
    EXPECT_EQ(0, std::memcmp(hidden.data(), expected.data(), expected.size() * sizeof(float)))
        << threads << " threads";
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, EncoderInvariants,
                         testing::Values("bert-model", "roberta-tagger", "distilbert-qa",
                                         "xlm-roberta-model", "t5-v1_0", "bart-qa", "umt5-encoder",
                                         "t5-tagger", "mbart-qa", "gpt2-tagger", "llama-qa",
                                         "gguf-bert-q4_1", "deberta-v2-model", "deberta-model",
                                         "deberta-v2-lm-predictions", "modernbert-model",
                                         "modernbert-tagger", "nomic_bert-model", "eurobert-model",
                                         "roformer-model"),
                         [](const auto& fixture) {
                           std::string name = fixture.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
