// Damaged configurations: loading ends in a model or in an llm::Error, whatever config.json holds.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "support/mutate.hpp"
#include "support/paths.hpp"
#include "support/temp_dir.hpp"

namespace {

namespace fs = std::filesystem;
using llm::detail::Json;

// A folder with the fixture's weights (linked) and room for another configuration.
void link_weights(const fs::path& fixture, const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(fixture)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("model") || name.starts_with("pytorch_model")) {
      fs::create_symlink(entry.path(), folder / name);
    }
  }
}

void load(const fs::path& folder) {
  try {
    const auto model = llm::Model<float>::load(folder, {1});
    EXPECT_GT(model->vocab_size(), 0);
  } catch (const llm::Error& error) {
    EXPECT_NE(error.code(), llm::ErrorCode::internal) << error.what();
  }
}

class DamagedConfig : public testing::TestWithParam<const char*> {};

TEST_P(DamagedConfig, Bytes) {
  const fs::path fixture = llm::test::models_dir() / GetParam();
  const std::string text = llm::detail::read_file(fixture / "config.json", 1 << 20);
  const llm::test::TempDir dir;
  link_weights(fixture, dir.path());
  llm::test::Mutator mutate(1);
  for (int i = 0; i < 300; ++i) {
    dir.write("config.json", mutate(text));
    load(dir.path());
  }
}

// Every field in turn absent, null, and of every kind and size a file could hold.
TEST_P(DamagedConfig, Fields) {
  const fs::path fixture = llm::test::models_dir() / GetParam();
  const Json config = llm::detail::read_json_file(fixture / "config.json");
  const std::vector<Json> values{nullptr,
                                 true,
                                 -1,
                                 0,
                                 1,
                                 3,
                                 64,
                                 1 << 20,
                                 std::uint64_t(-1),
                                 1e300,
                                 -0.5,
                                 "",
                                 "gelu",
                                 Json::array(),
                                 Json::array({1, "x"}),
                                 Json::array({Json::array({Json::array({"global"}), 1 << 30})}),
                                 Json::object(),
                                 Json::object({{"rope_type", "yarn"}})};
  const llm::test::TempDir dir;
  link_weights(fixture, dir.path());
  for (const auto& [name, value] : config.items()) {
    for (const Json& other : values) {
      Json edited = config;
      edited[name] = other;
      dir.write("config.json", edited.dump());
      load(dir.path());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, DamagedConfig,
                         testing::Values("llama-gqa", "llama-rope-llama3", "gpt2-scaled", "t5-v1_1",
                                         "gpt_neo-windows", "bloom-lm", "bert-model",
                                         "roberta-tagger", "bart-classifier", "qwen2-windows",
                                         "smollm3-windows", "umt5-lm", "t5-tagger", "mbart-qa",
                                         "marian-two-vocabularies", "llama-rope-yarn",
                                         "gemma3_text-lm", "phi3-longrope", "falcon-groups",
                                         "mpt-lm", "ministral3-lm"),
                         [](const auto& fixture) {
                           std::string name = fixture.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// The same for the metadata and the table of tensors of GGUF files.
class DamagedGguf : public testing::TestWithParam<const char*> {};

TEST_P(DamagedGguf, Head) {
  const fs::path file = llm::test::models_dir() / GetParam() / "model.gguf";
  const std::string text = llm::detail::read_file(file, 1 << 20);
  const llm::test::TempDir dir;
  llm::test::Mutator mutate(2);
  for (int i = 0; i < 300; ++i) {
    const std::size_t head = std::min<std::size_t>(text.size(), 12000);
    dir.write("model.gguf", mutate(text.substr(0, head)) + text.substr(head));
    load(dir.path() / "model.gguf");
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, DamagedGguf,
                         testing::Values("gguf-t5-f32", "gguf-t5encoder-q8_0", "gguf-bert-q4_1",
                                         "gguf-qwen2-q8_0", "gguf-bloom-f16", "gguf-llama-yarn"),
                         [](const auto& fixture) {
                           std::string name = fixture.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
