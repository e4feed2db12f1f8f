// The template language, feature by feature, against the reference: data/chat/expressions.jsonl,
// made by support/make_chat_vectors.py.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/prompt/chat_template.hpp"
#include "support/paths.hpp"

namespace {

using llm::detail::Json;

std::filesystem::path data() {
  return llm::test::source_dir() / "tests" / "unit" / "data" / "chat";
}

TEST(ChatExpressions, AreTheReferences) {
  llm::ChatOptions options;
  options.variables = llm::detail::read_file(data() / "variables.json", 1 << 20);
  const std::vector<llm::Message> messages = {{"user", "hi", {}}};
  std::ifstream rows(data() / "expressions.jsonl");
  std::size_t count = 0;
  for (std::string line; std::getline(rows, line); ++count) {
    const Json row = llm::detail::parse_json(line, "expressions.jsonl");
    const auto source = row.at("template").get<std::string>();
    const bool fails = row.contains("error");
    try {
      const auto made = llm::ChatTemplate::from_text(source);
      const std::string text = made.render(messages, options);
      EXPECT_FALSE(fails) << source << "\n  gives " << text
                          << "\n  but must fail: " << row.at("error");
      if (!fails) {
        EXPECT_EQ(text, row.at("text").get<std::string>()) << source;
      }
    } catch (const llm::Error& error) {
      EXPECT_TRUE(fails) << source << "\n  " << error.what() << "\n  must give "
                         << row.value("text", "");
    }
  }
  EXPECT_GE(count, 800U);
}

// "T", "F" or "E" for an error.
std::string compared(const std::string& left, const std::string& op, const std::string& right) {
  try {
    const auto made = llm::ChatTemplate::from_text("{{ " + left + " " + op + " " + right + " }}");
    return made.render(std::vector<llm::Message>{{"user", "hi", {}}}).substr(0, 1);
  } catch (const llm::Error&) {
    return "E";
  }
}

TEST(ChatExpressions, ComparisonsAreTheReferences) {
  const Json json = llm::detail::read_json_file(data() / "comparisons.json");
  const auto values = json.at("values").get<std::vector<std::string>>();
  for (const auto& [op, rows] : json.at("tables").items()) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto expected = rows.at(i).get<std::string>();
      for (std::size_t j = 0; j < values.size(); ++j)
        EXPECT_EQ(compared(values[i], op, values[j]), expected.substr(j, 1))
            << values[i] << " " << op << " " << values[j];
    }
  }
}

}  // namespace
