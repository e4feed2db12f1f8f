// Damaged chat templates: rendering ends, soon, in a text or in llm::Error.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/prompt/chat_template.hpp"
#include "support/mutate.hpp"
#include "support/paths.hpp"

namespace {

using llm::detail::Json;

std::vector<std::string> templates(const char* file) {
  std::ifstream rows(llm::test::source_dir() / "tests/unit/data/chat" / file);
  std::vector<std::string> out;
  for (std::string line; std::getline(rows, line);)
    out.push_back(Json::parse(line).at("template").get<std::string>());
  return out;
}

void render_damaged(const std::vector<std::string>& sources, std::uint64_t seed,
                    std::size_t count) {
  llm::test::Mutator mutate(seed);
  const std::vector<llm::Message> messages = {
      {"system", "S", {}}, {"user", "café", {}}, {"assistant", "A", {}}};
  llm::ChatOptions options;
  options.variables = R"({"l":[3,1,2],"m":{"a":1},"s":"text","msgs":[{"role":"user"}],"i":7})";
  std::size_t rendered = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    // Pieces of other templates make better damage than bytes alone.
    std::string source = sources[mutate.below(sources.size())];
    const std::string& other = sources[mutate.below(sources.size())];
    const std::size_t at = mutate.below(other.size() + 1);
    if (i % 2 == 0)
      source.insert(mutate.below(source.size() + 1), other.substr(at, 1 + mutate.below(30)));
    try {
      llm::ChatTemplate::from_text(i % 3 == 0 ? source : mutate(source)).render(messages, options);
      ++rendered;
    } catch (const llm::Error& error) {
      EXPECT_NE(error.code(), llm::ErrorCode::internal) << error.what();
    }
  }
  EXPECT_GT(rendered, count / 20);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(FuzzChat, DamagedExpressions) { render_damaged(templates("expressions.jsonl"), 1, 20000); }

TEST(FuzzChat, DamagedFamilies) { render_damaged(templates("families.jsonl"), 2, 3000); }

}  // namespace
