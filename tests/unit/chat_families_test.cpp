// Templates in the shapes of model families, conversation by conversation, against the reference:
// data/chat/families.jsonl, made by support/make_chat_vectors.py.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "llm/prompt/chat_template.hpp"
#include "support/paths.hpp"

namespace {

// Templates show JSON in the order it was written in.
using llm::detail::OrderedJson;

std::vector<llm::Message> messages_of(const OrderedJson& list) {
  std::vector<llm::Message> messages;
  for (const OrderedJson& message : list) messages.push_back({"", {}, message.dump()});
  return messages;
}

std::string option(const OrderedJson& value) { return value.is_null() ? "" : value.dump(); }

std::string render(const llm::ChatTemplate& made, const OrderedJson& given) {
  llm::ChatOptions options;
  options.add_generation_prompt = given.at("add_generation_prompt").get<bool>();
  options.tools = option(given.at("tools"));
  options.documents = option(given.at("documents"));
  options.variables = option(given.at("variables"));
  return made.render(messages_of(given.at("messages")), options);
}

TEST(ChatFamilies, AreTheReferences) {
  std::ifstream rows(llm::test::source_dir() / "tests/unit/data/chat/families.jsonl");
  std::size_t count = 0;
  for (std::string line; std::getline(rows, line);) {
    const OrderedJson row = OrderedJson::parse(line);
    const auto tokens = row.at("tokens").get<std::map<std::string, std::string, std::less<>>>();
    const auto made = llm::ChatTemplate::from_text(row.at("template").get<std::string>(), tokens);
    for (const OrderedJson& given : row.at("cases")) {
      // The reference renders an empty conversation here and refuses it one door further out.
      if (given.at("messages").empty()) continue;
      ++count;
      const std::string what = row.at("name").get<std::string>() + " " + given.dump();
      try {
        const std::string text = render(made, given);
        EXPECT_EQ(text, given.value("text", "an error: " + given.value("error", ""))) << what;
      } catch (const llm::Error& error) {
        EXPECT_TRUE(given.contains("error")) << what << "\n" << error.what();
      }
    }
  }
  EXPECT_GT(count, 600U);
}

TEST(ChatFamilies, RaisedSentencesAreTheReferences) {
  std::ifstream rows(llm::test::source_dir() / "tests/unit/data/chat/families.jsonl");
  std::size_t count = 0;
  for (std::string line; std::getline(rows, line);) {
    const OrderedJson row = OrderedJson::parse(line);
    if (row.at("name") != "gemma" && row.at("name") != "llama-2") continue;
    const auto tokens = row.at("tokens").get<std::map<std::string, std::string, std::less<>>>();
    const auto made = llm::ChatTemplate::from_text(row.at("template").get<std::string>(), tokens);
    for (const OrderedJson& given : row.at("cases")) {
      const std::string sentence = given.value("error", "");
      if (!sentence.starts_with("T")) continue;  // raised by the template
      ++count;
      try {
        render(made, given);
        ADD_FAILURE() << "no error: " << sentence;
      } catch (const llm::Error& error) {
        EXPECT_EQ(error.what(), sentence);
      }
    }
  }
  EXPECT_GT(count, 10U);
}

}  // namespace
