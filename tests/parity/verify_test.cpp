// Every fixture under models/ against the float64 outputs of the reference implementation: hidden
// states at every tap, logits, generated sequences, token ids. float64 must agree to 1e-9 (only the
// order of summation differs), float32 to 1e-3; generated ids must be equal in both.
#include "llm/verify.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "support/paths.hpp"

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

}  // namespace
