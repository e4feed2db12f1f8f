// Real checkpoints trained by others, where this machine has them, against float64 references that
// are not ours: golden.json beside a checkpoint, or tests/support/make_checkpoint_vectors.py.
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/json.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/model/pooling.hpp"
#include "llm/tensor/ops.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/paths.hpp"
#include "support/shared_files.hpp"

namespace {

template <typename S>
void check_golden(const std::filesystem::path& folder, double tolerance) {
  const auto golden = llm::detail::read_json_file(folder / "golden.json");
  const auto model = llm::Model<S>::load(folder);
  llm::Workspace workspace;
  const std::span<const llm::TokenId> no_source;
  const auto state = std::move(model->start({&no_source, 1}, workspace).front());
  auto ids = golden.at("prompt_ids").template get<std::vector<llm::TokenId>>();
  const auto expected = golden.at("last_logits").template get<std::vector<double>>();
  const auto greedy = golden.at("greedy_ids").template get<std::vector<llm::TokenId>>();
  for (std::size_t i = 0; i < greedy.size(); ++i) {
    const llm::StepInput<S> input{state.get(), ids};
    const auto logits = model->step({&input, 1}, workspace);
    ASSERT_EQ(static_cast<std::size_t>(logits.cols()), expected.size());
    for (std::int64_t v = 0; i == 0 && v < logits.cols(); ++v) {
      EXPECT_NEAR(logits(0, v), expected[static_cast<std::size_t>(v)], tolerance) << v;
    }
    ids = {static_cast<llm::TokenId>(llm::ops::argmax(logits.row(0)))};
    ASSERT_EQ(ids.front(), greedy[i]) << "greedy token " << i;
  }
}

TEST(Checkpoint, LlamaStories260K) {
  const auto folder = llm::test::shared_files() / "checkpoints" / "llama-stories260K";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  // The golden logits are rounded to five decimals.
  check_golden<double>(folder, 0.6e-5);
  check_golden<float>(folder, 1e-4);
}

// Weights in pytorch_model.bin, with masks of bytes among them.
TEST(Checkpoint, Gpt2Tarot) {
  const auto folder = llm::test::shared_files() / "checkpoints" / "gpt2-tarot-aitextgen";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  check_golden<double>(folder, 0.6e-5);
  check_golden<float>(folder, 1e-4);
}

llm::detail::Json vectors(const char* name) {
  return llm::detail::read_json_file(llm::test::source_dir() / "tests/parity/data" / name);
}

// Mean of the hidden states of a text, divided by its length.
template <typename S>
std::vector<double> embedding(const llm::Model<S>& model, std::span<const llm::TokenId> ids) {
  llm::Workspace workspace;
  const llm::EncoderInput input{ids, {}};
  const auto hidden = model.encode({&input, 1}, workspace);
  std::vector<double> mean(static_cast<std::size_t>(hidden.cols()));
  double squares = 0;
  for (std::int64_t c = 0; c < hidden.cols(); ++c) {
    double& value = mean[static_cast<std::size_t>(c)];
    for (std::int64_t r = 0; r < hidden.rows(); ++r) value += static_cast<double>(hidden(r, c));
    value /= static_cast<double>(hidden.rows());
    squares += value * value;
  }
  for (double& value : mean) value /= std::sqrt(squares);
  return mean;
}

template <typename S>
void check_embeddings(const std::filesystem::path& folder, double tolerance) {
  const auto model = llm::Model<S>::load(folder);
  const auto tokenizer = llm::Tokenizer::open(folder);
  const auto data = vectors("minilm.json");
  for (const auto& row : data.at("rows")) {
    const auto ids = row.at("ids").template get<std::vector<llm::TokenId>>();
    EXPECT_EQ(tokenizer->encode(row.at("text").template get<std::string>()).ids, ids);
    const auto expected = row.at("embedding").template get<std::vector<double>>();
    const std::vector<double> got = embedding(*model, ids);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], tolerance) << i;
  }
}

// A sentence-transformers folder.
TEST(Checkpoint, AllMiniLM) {
  const auto folder = llm::test::peer_models() / "all-MiniLM-L6-v2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  const auto sentences = llm::read_sentence_config(folder);
  ASSERT_TRUE(sentences);
  EXPECT_EQ(sentences->pooling, std::vector{llm::PoolingMode::mean});
  EXPECT_TRUE(sentences->normalize);
  EXPECT_EQ(sentences->max_seq_length, 256);
  check_embeddings<double>(sentences->model_path, 1e-9);
  check_embeddings<float>(sentences->model_path, 1e-5);
}

// What a generator says after the ids of a word, every row of it.
template <typename S>
std::vector<std::vector<llm::TokenId>> say(const llm::Model<S>& model,
                                           const llm::detail::Json& word,
                                           const llm::GenerationConfig& config) {
  llm::GenerationRequest request;
  request.ids = word.at("input_ids").template get<std::vector<llm::TokenId>>();
  const llm::Generator<S> generator(model);
  return llm::padded_sequences(generator.generate_all(std::move(request), config), config);
}

// Words to phonemes: a BART whose vocabulary of characters lies in config.json.
TEST(Checkpoint, BartG2P) {
  const auto folder = llm::test::shared_files() / "checkpoints" / "bart-g2p-en-us";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  const auto golden = llm::detail::read_json_file(folder / "golden.json");
  const auto beams = vectors("g2p_beams.json");
  const auto model = llm::Model<float>::load(folder);
  llm::GenerationConfig config = llm::model_generation_config(folder, model->config());
  config.max_new_tokens = 40;
  using Rows = std::vector<std::vector<llm::TokenId>>;
  for (const auto& row : golden.at("rows")) {
    EXPECT_EQ(say(*model, row, config), Rows{row.at("greedy_ids")}) << row.at("word");
  }
  for (const auto& [name, value] : beams.at("options").items()) {
    config.set(name, value.dump(), "test");
  }
  for (std::size_t i = 0; i < beams.at("rows").size(); ++i) {
    const auto& row = beams.at("rows").at(i);
    EXPECT_EQ(say(*model, golden.at("rows").at(i), config), row.at("sequences").get<Rows>())
        << row.at("word");
  }
}

TEST(Checkpoint, BartG2PLogits) {
  const auto folder = llm::test::shared_files() / "checkpoints" / "bart-g2p-en-us";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  const auto golden = llm::detail::read_json_file(folder / "golden.json");
  const auto expected = golden.at("logits_hello_first_step").get<std::vector<double>>();
  const auto source = golden.at("rows").at(0).at("input_ids").get<std::vector<llm::TokenId>>();
  const auto model = llm::Model<double>::load(folder);
  llm::Workspace workspace;
  const std::span<const llm::TokenId> ids = source;
  const auto state = std::move(model->start({&ids, 1}, workspace).front());
  const llm::TokenId start = *model->config().decoder_start_token_id;
  const llm::StepInput<double> input{state.get(), {&start, 1}};
  const auto logits = model->step({&input, 1}, workspace);
  ASSERT_EQ(static_cast<std::size_t>(logits.cols()), expected.size());
  for (std::int64_t v = 0; v < logits.cols(); ++v) {
    EXPECT_NEAR(logits(0, v), expected[static_cast<std::size_t>(v)], 0.6e-5) << v;
  }
}

}  // namespace
