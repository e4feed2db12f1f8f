// Vocabularies, embeddings and positions that do not fit each other: what works works as in the
// reference, everything else is an error that names both sizes.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;
using llm::ErrorCode;
using llm::test::model_dir;
using Ids = std::vector<llm::TokenId>;

// The tokenizer has ids that the embedding lacks: texts without them work.
TEST(Vocabulary, TokensBehindTheEmbeddingAreNamed) {
  const auto folder = model_dir("gpt2-small-vocabulary");
  const auto model = llm::Model<float>::load(folder);
  const auto tokenizer = llm::Tokenizer::open(folder);
  const std::string text = "the little house";
  const Ids ids = tokenizer->encode(text).ids;
  const auto large = std::ranges::find_if(ids, [](llm::TokenId id) { return id >= 260; });
  ASSERT_NE(large, ids.end());
  const llm::Generator<float> generator(*model, tokenizer.get());
  const auto error = llm::test::catch_error([&] { generator.generate(text, {}); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_input);
  const std::string what = error.what();
  EXPECT_NE(what.find("id " + std::to_string(*large)), std::string::npos) << what;
  EXPECT_NE(what.find("the ids 0 to 259"), std::string::npos) << what;
  llm::GenerationConfig config;
  config.max_new_tokens = 3;
  EXPECT_EQ(generator.generate("xy", config).new_ids.size(), 3u);
}

// The embedding has ids that the tokenizer lacks: they may be generated, and are no text.
TEST(Vocabulary, PaddedEmbeddingsGenerateIdsWithoutText) {
  const auto folder = model_dir("gpt2-padded-vocabulary");
  const auto model = llm::Model<float>::load(folder);
  const auto tokenizer = llm::Tokenizer::open(folder);
  EXPECT_EQ(model->vocab_size(), 320);
  EXPECT_EQ(tokenizer->decode(Ids{40, 310, 41}), tokenizer->decode(Ids{40, 41}));
  const llm::Generator<float> generator(*model, tokenizer.get());
  llm::GenerationConfig config;
  config.max_new_tokens = 2;
  config.set("forced_bos_token_id", "315", "test");
  config.set("forced_eos_token_id", "[316]", "test");
  const auto result = generator.generate("the little house", config);
  EXPECT_EQ(result.new_ids.back(), 316);
  Ids known = result.new_ids;
  std::erase_if(known, [](llm::TokenId id) { return id >= 299; });
  EXPECT_EQ(result.text, tokenizer->decode(known));
}

TEST(Vocabulary, EmbeddingMustHaveItsSize) {
  llm::test::TempDir dir;
  fs::create_symlink(model_dir("gpt2-relu") / "model-00001-of-00002.safetensors",
                     dir.path() / "model-00001-of-00002.safetensors");
  fs::create_symlink(model_dir("gpt2-relu") / "model-00002-of-00002.safetensors",
                     dir.path() / "model-00002-of-00002.safetensors");
  fs::create_symlink(model_dir("gpt2-relu") / "model.safetensors.index.json",
                     dir.path() / "model.safetensors.index.json");
  for (const int size : {100, 200}) {
    auto config = llm::detail::read_json_file(model_dir("gpt2-relu") / "config.json");
    config["vocab_size"] = size;
    std::ofstream(dir.path() / "config.json") << config;
    llm::test::expect_error(
        ErrorCode::tensor_mismatch,
        "has shape [149, 36], the configuration implies [" + std::to_string(size) + ", 36]",
        [&] { llm::Model<float>::load(dir.path()); });
  }
}

// Source and target have ids of their own (Marian).
TEST(Vocabulary, TwoVocabularies) {
  const auto model = llm::Model<float>::load(model_dir("marian-two-vocabularies"));
  EXPECT_EQ(model->vocab_size(), 71);
  EXPECT_EQ(model->source_vocab_size(), 61);
  llm::Workspace workspace;
  const auto start = [&](const Ids& source) {
    const std::span<const llm::TokenId> ids = source;
    return std::move(model->start({&ids, 1}, workspace).front());
  };
  const auto state = start({60, 5});
  const Ids target{60, 70};
  const llm::StepInput<float> input{state.get(), target};
  EXPECT_EQ(model->step({&input, 1}, workspace).cols(), 71);
  EXPECT_EQ(llm::test::catch_error([&] { start({61}); }).code(), ErrorCode::invalid_input);
  const llm::Generator<float> generator(*model);
  llm::GenerationRequest request;
  request.ids = Ids{5, 65};
  const auto error = llm::test::catch_error([&] { generator.generate_all(request, {}); });
  EXPECT_NE(std::string(error.what()).find("0 to 60"), std::string::npos) << error.what();
}

TEST(Vocabulary, TokenTypesMustFit) {
  const auto model = llm::Model<float>::load(model_dir("bert-model"));  // it has three
  llm::Workspace workspace;
  const Ids ids{5, 6};
  const auto encode = [&](const std::vector<std::int32_t>& types) {
    const llm::EncoderInput input{ids, types};
    model->encode({&input, 1}, workspace);
  };
  EXPECT_NO_THROW(encode({0, 2}));
  llm::test::expect_error(ErrorCode::invalid_input, "token type 3", [&] { encode({0, 3}); });
  llm::test::expect_error(ErrorCode::invalid_input, "token type -1", [&] { encode({-1, 0}); });
  llm::test::expect_error(ErrorCode::invalid_input, "2 tokens and 3 token types", [&] {
    encode({0, 0, 0});
  });
}

// Dynamic rotary scaling changes with the length beyond the context; such texts are refused.
TEST(Positions, DynamicScalingEndsWithTheContext) {
  const auto model = llm::Model<float>::load(model_dir("llama-rope-dynamic"));
  llm::Workspace workspace;
  const std::span<const llm::TokenId> none;
  const auto state = std::move(model->start({&none, 1}, workspace).front());
  const Ids ids(257, 5);
  const llm::StepInput<float> input{state.get(), ids};
  llm::test::expect_error(ErrorCode::context_overflow, "257 tokens, the model holds 256", [&] {
    model->step({&input, 1}, workspace);
  });
}

}  // namespace
