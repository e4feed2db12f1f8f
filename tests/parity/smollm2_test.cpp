// The default model, where it has been fetched (tools/fetch_model): greedy continuations equal
// those of the reference in float64 with the dequantized weights
// (tests/support/make_smollm2_vectors.py).
#include <filesystem>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/generation/generator.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/paths.hpp"

namespace {

using Ids = std::vector<llm::TokenId>;

TEST(SmolLM2, GreedyIdsEqualTheReference) {
  const auto file = llm::test::models_dir() / "downloaded" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "not fetched: " << file;
  const auto data = llm::detail::read_json_file(llm::test::source_dir() / "tests" / "parity" /
                                                "data" / "smollm2.json");
  const auto model = llm::Model<float>::load(file);
  const auto tokenizer = llm::Tokenizer::open(file);
  const llm::Generator<float> generator(*model, tokenizer.get());
  llm::GenerationConfig config;
  for (const auto& row : data.at("rows")) {
    const auto prompt = row.at("prompt").get<std::string>();
    EXPECT_EQ(tokenizer->encode(prompt).ids, row.at("ids").get<Ids>()) << prompt;
    const auto expected = row.at("greedy").get<Ids>();
    config.max_new_tokens = static_cast<std::int64_t>(expected.size());
    EXPECT_EQ(generator.generate(prompt, config).new_ids, expected)
        << prompt << " (smallest margin of logits: " << row.at("margin") << ")";
  }
}

}  // namespace
