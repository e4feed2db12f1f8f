// A model in two GGUF files is the model in one.
#include "support/split_gguf.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/embed.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"

namespace {

using namespace llm::test;
using llm::ErrorCode;

std::vector<float> last_logits(const std::filesystem::path& path) {
  const auto model = llm::Model<float>::load(path, {.threads = 1});
  llm::Workspace workspace;
  const std::span<const llm::TokenId> no_source;
  const auto state = std::move(model->start({&no_source, 1}, workspace).front());
  const std::vector<llm::TokenId> ids{1, 5, 9, 7};
  const llm::StepInput<float> input{state.get(), ids};
  const auto row = model->step({&input, 1}, workspace);
  return {row.row(0).begin(), row.row(0).end()};
}

TEST(SplitGgufModel, IsTheModelInOneFile) {
  const auto whole = models_dir() / "gguf-llama-f32" / "model.gguf";
  const TempDir dir;
  const auto first = split_gguf(whole, dir);
  EXPECT_EQ(last_logits(first), last_logits(whole));
  const auto tokenizer = llm::Tokenizer::open(first);
  EXPECT_EQ(tokenizer->encode("the cat").ids, llm::Tokenizer::open(whole)->encode("the cat").ids);
}

TEST(SplitGgufModel, OtherPartsAndFoldersAreRefusedEverywhere) {
  const TempDir dir;
  const auto first = split_gguf(models_dir() / "gguf-llama-f32" / "model.gguf", dir);
  const auto second = dir.path() / "m-00002-of-00002.gguf";
  for (const auto& path : {second, dir.path()}) {
    const std::string part = "m-00001-of-00002.gguf, which opens them all";
    expect_error(ErrorCode::unsupported, part, [&] { (void)llm::Model<float>::load(path); });
    expect_error(ErrorCode::unsupported, part, [&] { (void)llm::read_model_config(path); });
    expect_error(ErrorCode::unsupported, part, [&] { (void)llm::embedding_config(path); });
    expect_error(ErrorCode::unsupported, part, [&] { (void)llm::Tokenizer::open(path); });
  }
  std::filesystem::remove(second);
  expect_error(ErrorCode::file_not_found, second.string() + ": this part",
               [&] { (void)llm::Model<float>::load(first); });
}

// What a packed model keeps of a split file opens by itself.
TEST(SplitGgufModel, CanBePacked) {
  const TempDir dir;
  const auto first = split_gguf(models_dir() / "gguf-llama-f32" / "model.gguf", dir);
  llm::pack_model(first, dir.path() / "packed");
  EXPECT_EQ(last_logits(dir.path() / "packed"), last_logits(first));
}

// A folder with one .gguf file pools as that file says, not as folders without a word do.
TEST(SplitGgufModel, FoldersPoolAsTheirFileSays) {
  const auto folder = models_dir() / "gguf-bert-q4_1";
  EXPECT_EQ(llm::embedding_config(folder).pooling,
            llm::embedding_config(folder / "model.gguf").pooling);
  const auto pooling = [](std::uint32_t type) {
    const TempDir dir;
    GgufWriter file;
    file.key("general.architecture", "bert")
        .key<std::uint32_t>("bert.pooling_type", gguf_u32, type);
    dir.write("model.gguf", file.bytes());
    return llm::embedding_config(dir.path()).pooling;
  };
  EXPECT_EQ(pooling(1), std::vector{llm::PoolingMode::mean});
  EXPECT_EQ(pooling(2), std::vector{llm::PoolingMode::cls});
  EXPECT_EQ(pooling(3), std::vector{llm::PoolingMode::last_token});
  expect_error(ErrorCode::unsupported, "pooling_type 4 is not supported",
               [&] { (void)pooling(4); });
}

}  // namespace
