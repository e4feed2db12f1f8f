// Every fixture under models/ against the float64 outputs of the reference implementation: hidden
// states at every tap, logits, generated sequences, token ids. float64 must agree to 1e-9 (only the
// order of summation differs), float32 to 1e-3; generated ids must be equal in both.
#include "llm/verify.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "support/edit_safetensors.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> fixtures() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(llm::test::models_dir())) {
    if (fs::exists(entry.path() / "reference.safetensors")) {
      names.push_back(entry.path().filename().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ids_text(const std::vector<std::vector<llm::TokenId>>& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (const llm::TokenId id : row) text += std::to_string(id) + " ";
    text += "| ";
  }
  return text;
}

class Parity : public testing::TestWithParam<std::string> {
 protected:
  static void check(const std::string& dtype) {
    llm::VerifyOptions options;
    options.dtype = dtype;
    options.threads = 1;
    const llm::VerifyReport report = llm::verify(llm::test::models_dir() / GetParam(), options);
    EXPECT_FALSE(report.taps.empty());
    for (const llm::TapCheck& tap : report.taps) {
      EXPECT_LE(tap.max_rel, report.tolerance)
          << tap.case_name << " " << tap.tap << " at row " << tap.row << ", column " << tap.column;
    }
    for (const llm::GenerationCheck& generation : report.generations) {
      EXPECT_EQ(ids_text(generation.got), ids_text(generation.expected)) << generation.name;
    }
    for (const llm::TextCheck& text : report.wrong_texts) {
      EXPECT_EQ(text.got, text.expected) << text.text;
    }
    EXPECT_TRUE(report.unchecked.empty()) << report.unchecked.front();
    EXPECT_TRUE(report.ok);
  }
};

TEST_P(Parity, Float64) { check("f64"); }
TEST_P(Parity, Float32) { check("f32"); }

INSTANTIATE_TEST_SUITE_P(Fixtures, Parity, testing::ValuesIn(fixtures()), [](const auto& fixture) {
  std::string name = fixture.param;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

// The reference's bare class gives the language model's hidden states, the last of them by name.
TEST(Verify, ChecksDecodersWithoutAHead) {
  const fs::path model = llm::test::models_dir() / "llama-gqa";
  llm::test::SafetensorsEditor reference(model / "reference.safetensors");
  auto header =
      llm::detail::parse_json(reference.metadata()["llm-reference"].get<std::string>(), "header");
  header["class"] = "LlamaModel";
  header.erase("generations");
  header.erase("texts");
  for (const auto& each : header.at("cases")) {
    const auto name = each.at("name").get<std::string>();
    reference.erase(name + ".logits");
    reference.copy(name + ".hidden_states.2", name + ".last_hidden_state", false);
  }
  reference.metadata()["llm-reference"] = header.dump();
  const llm::test::TempDir dir;
  llm::VerifyOptions options;
  options.reference = dir.write("reference.safetensors", reference.bytes());
  options.dtype = "f64";
  options.threads = 1;
  const llm::VerifyReport report = llm::verify(model, options);
  EXPECT_TRUE(report.ok);
  EXPECT_EQ(report.taps.size(), 4 * header.at("cases").size());
}

}  // namespace
