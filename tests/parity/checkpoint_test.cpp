// Real checkpoints trained by others, where this machine has them: logits after a prompt and greedy
// ids from a float64 reference that is not ours (golden.json beside the checkpoint).
#include <filesystem>
#include <memory>
#include <vector>

#include "core/json.hpp"
#include "llm/model/model.hpp"
#include "llm/tensor/ops.hpp"
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
    ids = {static_cast<llm::TokenId>(llm::ops::argmax(logits.row(0), logits.cols()))};
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

}  // namespace
