// SmolLM2-135M-Instruct's own template out of its GGUF file, against the reference:
// data/chat/smollm2.json, made by support/make_chat_vectors.py. Skipped without the model.
#include <gtest/gtest.h>

#include "core/json.hpp"
#include "llm/prompt/chat_template.hpp"
#include "support/paths.hpp"
#include "support/shared_files.hpp"

namespace {

using llm::detail::Json;

std::filesystem::path model() {
  for (const auto& folder : {llm::test::models_dir() / "downloaded", llm::test::peer_models()}) {
    const auto file = folder / "SmolLM2-135M-Instruct.Q4_1.gguf";
    if (std::filesystem::exists(file)) return file;
  }
  return {};
}

TEST(ChatSmolLm2, IsTheReferences) {
  if (model().empty()) GTEST_SKIP() << "SmolLM2-135M-Instruct.Q4_1.gguf is not there";
  const auto made = llm::ChatTemplate::open(model());
  const Json cases =
      llm::detail::read_json_file(llm::test::source_dir() / "tests/unit/data/chat/smollm2.json");
  for (const Json& given : cases) {
    const auto messages = llm::parse_messages(given.at("messages").dump(), "smollm2.json");
    llm::ChatOptions options;
    options.add_generation_prompt = given.at("add_generation_prompt").get<bool>();
    EXPECT_EQ(made.render(messages, options), given.at("text").get<std::string>());
  }
  EXPECT_GE(cases.size(), 10U);
}

}  // namespace
