// Distributions over a text against those of the reference in float64
// (tests/support/make_text_quality_vectors.py), and what fewer bits must cost more.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/verify.hpp"
#include "llm/weights/weight_store.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;

// A copy of a fixture with other bytes of one tensor of float32.
template <typename Change>
void write_changed(const fs::path& from, const std::string& name, const fs::path& to,
                   Change change) {
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.path().extension() != ".safetensors")
      fs::copy_file(entry.path(), to / entry.path().filename());
  }
  const auto store = llm::WeightStore::open(from);
  std::vector<llm::TensorToWrite> tensors;
  std::vector<std::byte> changed;
  for (const std::string& each : store->names()) {
    llm::TensorToWrite tensor = *store->find(each);
    if (each == name) {
      changed.assign(tensor.bytes.begin(), tensor.bytes.end());
      change(changed);
      tensor.bytes = changed;
    }
    tensors.push_back(tensor);
  }
  ASSERT_FALSE(changed.empty()) << name;
  llm::write_safetensors(to / "model.safetensors", tensors, {{"format", "pt"}});
}

// Logits of float32 are off by some 1e-6; what is summed here, by as much of its size.
TEST(TextQuality, EqualsTheReference) {
  const auto data = llm::detail::read_json_file(llm::test::source_dir() / "tests" / "parity" /
                                                "data" / "text_quality.json");
  for (const auto& row : data.at("cases")) {
    const auto number = [&](const char* key) { return row.at(key).get<double>(); };
    const fs::path exact = llm::test::models_dir() / row.at("model").get<std::string>();
    const llm::test::TempDir ours;
    write_changed(exact, row.at("negated").get<std::string>(), ours.path(), [](auto& bytes) {
      for (std::size_t i = 3; i < bytes.size(); i += 4) bytes[i] ^= std::byte{0x80};
    });
    for (const bool float64 : {false, true}) {
      llm::TextQualityOptions options;
      options.against = exact;
      options.float64 = float64;
      options.window = row.at("window").get<std::int64_t>();
      options.stride = row.at("stride").get<std::int64_t>();
      options.max_tokens = row.at("max_tokens").get<std::int64_t>();
      options.threads = 1;
      const llm::TextQuality quality =
          llm::verify_text(ours.path(), row.at("text").get<std::string>(), options);
      EXPECT_EQ(quality.predictions, row.at("predictions").get<std::int64_t>()) << exact;
      EXPECT_NEAR(quality.mean_kl, number("mean_kl"), 1e-5 * (1 + number("mean_kl"))) << exact;
      EXPECT_NEAR(quality.max_kl, number("max_kl"), 1e-5 * (1 + number("max_kl"))) << exact;
      EXPECT_NEAR(quality.top1_agreement, number("top1_agreement"), 1e-12) << exact;
      EXPECT_NEAR(quality.perplexity, number("perplexity"), 1e-4 * number("perplexity")) << exact;
      EXPECT_NEAR(quality.exact_perplexity, number("exact_perplexity"),
                  1e-4 * number("exact_perplexity"))
          << exact;
    }
  }
}

TEST(TextQuality, FewerBitsAreFurtherOff) {
  const fs::path model = llm::test::models_dir() / "gguf-llama-q8_0";
  const std::string text = "Once upon a time there was a little cat. It said hello to the world.";
  const auto quality = [&](llm::WeightType weights, bool fast = false) {
    llm::TextQualityOptions options;
    options.weights = weights;
    options.fast = fast;
    options.threads = 2;
    return llm::verify_text(model, text, options);
  };
  const llm::TextQuality stored = quality(llm::WeightType::as_stored);
  EXPECT_LT(stored.mean_kl, 1e-6);  // activations of 16 bits
  EXPECT_EQ(stored.top1_agreement, 1);
  EXPECT_LT(quality(llm::WeightType::int8).mean_kl, quality(llm::WeightType::int4).mean_kl);
  EXPECT_LT(stored.mean_kl, quality(llm::WeightType::int8, true).mean_kl);
}

TEST(TextQuality, Refuses) {
  const auto code = [](const std::string& model, const std::string& text,
                       llm::TextQualityOptions options = {}) {
    return llm::test::catch_error(
               [&] { llm::verify_text(llm::test::models_dir() / model, text, options); })
        .code();
  };
  EXPECT_EQ(code("llama-gqa", ""), llm::ErrorCode::invalid_input);
  EXPECT_EQ(code("t5-v1_1", "no tab here\n"), llm::ErrorCode::invalid_input);
  EXPECT_EQ(code("bert-masked-lm", "a"), llm::ErrorCode::invalid_input);  // nothing is masked
  EXPECT_EQ(code("bert-model", "once upon"), llm::ErrorCode::unsupported);
  llm::TextQualityOptions options;
  options.window = 1;
  EXPECT_EQ(code("llama-gqa", "once upon", options), llm::ErrorCode::invalid_option);
  options.window = 8;
  options.stride = 9;
  EXPECT_EQ(code("llama-gqa", "once upon", options), llm::ErrorCode::invalid_option);
  options = {};
  options.against = llm::test::models_dir() / "llama-tied";
  EXPECT_EQ(code("llama-gqa", "once upon", options), llm::ErrorCode::tensor_mismatch);
}

// Logits may be below all numbers. What the exact model holds for possible is then infinitely far.
TEST(TextQuality, AnInfiniteDivergenceIsRefused) {
  const fs::path exact = llm::test::models_dir() / "bert-masked-lm";
  const llm::test::TempDir ours;
  write_changed(exact, "cls.predictions.bias", ours.path(), [](auto& bytes) {
    constexpr float lowest = -std::numeric_limits<float>::infinity();
    std::memcpy(bytes.data() + 20 * sizeof lowest, &lowest, sizeof lowest);
  });
  llm::TextQualityOptions options;
  options.against = exact;
  llm::test::expect_error(llm::ErrorCode::bad_format, "logits", [&] {
    llm::verify_text(ours.path(), "once upon a time there was a little cat", options);
  });
}

}  // namespace
