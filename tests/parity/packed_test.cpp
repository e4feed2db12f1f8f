// Packed folders: the bits of the model they were made from, and what a damaged one says.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"
#include "weights/packed_weights.hpp"

namespace {

namespace fs = std::filesystem;
using llm::ErrorCode;
using llm::WeightType;

// Hidden states or logits of a few tokens, whatever the model is.
template <typename S>
std::vector<S> outputs(const llm::Model<S>& model) {
  const std::vector<llm::TokenId> prompt = {5, 17, 40, 8, 3, 2};
  llm::Workspace workspace;
  if (model.kind() == llm::ModelKind::encoder) {
    const llm::EncoderInput input{prompt, {}};
    if (model.head() == llm::HeadKind::none) {
      const auto states = model.encode({&input, 1}, workspace);
      return {states.data(), states.data() + states.rows() * states.cols()};
    }
    const auto head = model.run_head({&input, 1}, workspace);
    return {head.logits.values().begin(), head.logits.values().end()};
  }
  const std::span<const llm::TokenId> source =
      model.is_encoder_decoder() ? std::span(prompt) : std::span<const llm::TokenId>();
  const auto state = std::move(model.start({&source, 1}, workspace).front());
  const llm::StepInput<S> input{state.get(), prompt, true};
  const auto logits = model.step({&input, 1}, workspace);
  return {logits.data(), logits.data() + logits.rows() * logits.cols()};
}

class Packed : public testing::TestWithParam<std::string> {};

TEST_P(Packed, GivesTheSameBits) {
  const llm::test::TempDir dir;
  const fs::path model = llm::test::models_dir() / GetParam();
  for (const WeightType type :
       {WeightType::as_stored, WeightType::int8, WeightType::int8_channel}) {
    const fs::path packed = dir.path() / ("packed" + std::to_string(int(type)));
    llm::pack_model(model, packed, {.weights = type});
    for (const bool fast : {false, true}) {
      const auto original = llm::Model<float>::load(model, {.weights = type, .fast = fast});
      const auto mapped = llm::Model<float>::load(packed, {.fast = fast});
      EXPECT_EQ(outputs(*mapped), outputs(*original));
      EXPECT_EQ(mapped->info().parameters, original->info().parameters);
      EXPECT_EQ(mapped->info().weight_bytes, original->info().weight_bytes);
      EXPECT_TRUE(mapped->info().unused_tensors == original->info().unused_tensors);
    }
    // The double reference reads panels, too.
    const auto doubles = outputs(*llm::Model<double>::load(packed));
    const auto floats = outputs(*llm::Model<float>::load(packed));
    double size = 0;
    for (const double value : doubles) size = std::max(size, std::abs(value));
    for (std::size_t i = 0; i < floats.size(); ++i) EXPECT_NEAR(floats[i], doubles[i], 1e-3 * size);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Packed,
                         testing::Values("llama-wide", "gpt2-inner", "gguf-llama-mixed",
                                         "gguf-llama-q4_1", "bloom-lm", "t5-v1_1", "bart-lm",
                                         "bert-masked-lm", "bert-model", "roberta-classifier",
                                         "gemma2-lm", "phi3-lm", "olmo-lm", "cohere-norms"),
                         [](const auto& fixture) {
                           std::string name = fixture.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(PackedFolder, KeepsTheTokenizer) {
  const llm::test::TempDir dir;
  for (const char* name : {"llama-gqa", "gguf-llama-q8_0", "bert-masked-lm"}) {
    const fs::path packed = dir.path() / name;
    llm::pack_model(llm::test::models_dir() / name, packed);
    EXPECT_EQ(llm::Tokenizer::open(packed)->encode("once upon a time").ids,
              llm::Tokenizer::open(llm::test::models_dir() / name)->encode("once upon a time").ids);
  }
}

TEST(PackedFolder, MayStandInsideItsModel) {
  const llm::test::TempDir dir;
  const fs::path model = dir.path() / "model";
  fs::copy(llm::test::models_dir() / "llama-gqa", model, fs::copy_options::recursive);
  for (const fs::path& packed : {model / "packed", model / "inner" / "packed"}) {
    llm::pack_model(model, packed);
    for (const auto& entry : fs::recursive_directory_iterator(packed))
      EXPECT_FALSE(entry.path().filename().string().starts_with("packed.unfinished"))
          << entry.path();
    EXPECT_EQ(outputs(*llm::Model<float>::load(packed)), outputs(*llm::Model<float>::load(model)));
    fs::remove_all(packed);
  }
}

class PackedErrors : public testing::Test {
 protected:
  void SetUp() override { llm::pack_model(llm::test::models_dir() / "llama-wide", folder()); }
  fs::path folder() const { return dir_.path() / "packed"; }
  fs::path file() const { return folder() / llm::detail::packed_file_name; }
  std::string read() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(file(), std::ios::binary) << bytes; }
  llm::Error load_error(const llm::LoadOptions& options = {}) const {
    return llm::test::catch_error([&] { llm::Model<float>::load(folder(), options); });
  }
  void expect(ErrorCode code, const std::string& part, const llm::Error& error) const {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
  llm::test::TempDir dir_;
};

TEST_F(PackedErrors, DamagedFiles) {
  const std::string good = read();
  for (const std::size_t size :
       {std::size_t(0), std::size_t(7), good.size() / 2, good.size() - 1}) {
    write(good.substr(0, size));
    EXPECT_EQ(load_error().code(), ErrorCode::bad_format) << size;
  }
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string bytes = good;
    const std::size_t at = bytes.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write(bytes.replace(at, from.size(), to));
    return load_error();
  };
  expect(ErrorCode::unsupported, "pack the model again",
         replaced(R"("llm_packed_version":"2")", R"("llm_packed_version":"3")"));
  expect(ErrorCode::bad_format, "pack the model again",
         replaced(R"("llm_packed_version":"2")", R"("llm_packed_verslon":"2")"));
  expect(ErrorCode::bad_format, "is no matrix",
         replaced(R"(\"panels\",\"f32\",)", R"(\"panels\",\"i32\",)"));
  expect(ErrorCode::bad_format, "damaged",
         replaced(R"(\"panels\",\"f32\",)", R"(\"panels\",\"f32\"x)"));
}

TEST_F(PackedErrors, WhatAPackedModelCannot) {
  expect(ErrorCode::unsupported, "is packed already", load_error({.weights = WeightType::int4}));
  expect(ErrorCode::unsupported, "was packed with the head",
         load_error({.head = llm::HeadKind::sequence_classification}));
  expect(ErrorCode::unsupported, "is packed already",
         llm::test::catch_error([&] { llm::pack_model(folder(), dir_.path() / "again"); }));
  EXPECT_FALSE(fs::exists(dir_.path() / "again"));
  for (const auto& entry : fs::directory_iterator(dir_.path()))
    EXPECT_EQ(entry.path().string().find("unfinished"), std::string::npos) << entry.path();
  expect(ErrorCode::invalid_option, "exists already", llm::test::catch_error([&] {
           llm::pack_model(llm::test::models_dir() / "llama-wide", folder());
         }));
  expect(ErrorCode::invalid_option, "cannot be created", llm::test::catch_error([&] {
           llm::pack_model(llm::test::models_dir() / "llama-wide", "/proc/nowhere/packed");
         }));
}

// Another configuration than the one it was packed with.
TEST_F(PackedErrors, ForeignConfiguration) {
  fs::copy_file(llm::test::models_dir() / "llama-gqa" / "config.json", folder() / "config.json",
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(load_error().code(), ErrorCode::tensor_mismatch);
}

}  // namespace
