// Where templates come from, what they are refused for, and messages of a wrong shape.
#include "llm/prompt/chat_template.hpp"

#include <gtest/gtest.h>

#include "support/catch_error.hpp"
#include "support/shared_files.hpp"
#include "support/temp_dir.hpp"
#include "support/write_gguf.hpp"

namespace {

using llm::ChatTemplate;
using llm::ErrorCode;
using llm::Message;
using llm::test::expect_error;

const std::vector<Message> hello = {{"user", "Hello", {}}};

std::string render(std::string_view source, const llm::ChatOptions& options = {}) {
  return ChatTemplate::from_text(source).render(hello, options);
}

void fails(ErrorCode code, const std::string& part, const std::string& source) {
  expect_error(code, part, [&] { render(source); });
}

TEST(ChatTemplate, EndlessTemplatesEnd) {
  const std::string loops =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
  fails(ErrorCode::time_limit, "10000000 steps", loops);
  const std::string grow =
      "{% set n = namespace(s='ab') %}{% for a in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor "
      "%}";
  fails(ErrorCode::invalid_input, "16 MiB", grow);
  fails(ErrorCode::invalid_input, "16 MiB", "{{ 'a' * 999999999 }}");
  fails(ErrorCode::out_of_memory, "64 MiB", "{{ ([0] * 1000000000)|length }}");
  const std::string nest =
      "{% set n = namespace(s=[]) %}{% for a in range(9999) %}{% set n.s = [n.s] %}{% endfor %}";
  fails(ErrorCode::invalid_input, "nested", nest);
  fails(ErrorCode::invalid_input, "calls itself",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  const std::string wide =
      "{% set n = namespace(s=[1]) %}{% for a in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor "
      "%}";
  fails(ErrorCode::invalid_input, "16 MiB", wide + "{{ n.s }}");
  fails(ErrorCode::time_limit, "steps", wide + "{{ n.s == n.s }}");
}

TEST(ChatTemplate, DeepSyntaxIsRefused) {
  const auto repeat = [](const std::string& text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  for (const char* part : {"(", "[", "{1:", "not ", "-", "f(", "1 if 1 else "})
    fails(ErrorCode::bad_format, "", "{{ " + repeat(part, 40000) + "1 }}");
  fails(ErrorCode::bad_format, "levels deep", repeat("{% if 1 %}", 10000));
  EXPECT_EQ(render("{{ 0" + repeat(" + 1", 10000) + " }}"), "10000");
  EXPECT_EQ(render("{{ 'a'" + repeat("|upper", 10000) + " }}"), "A");
}

TEST(ChatTemplate, ErrorsSayWhere) {
  fails(
      ErrorCode::unsupported,
      "chat template, line 2, column 8: the filter \"uper\" is not known; did you mean \"upper\"?",
      "a\n{{ 'x'|uper }}");
  fails(ErrorCode::unsupported,
        "line 1, column 9: the test \"definedd\" is not known; did you mean \"defined\"?",
        "{{ x is definedd }}");
  fails(ErrorCode::bad_format, "line 3, column 4: the tag \"foor\" is unknown",
        "a\n\n{% foor x in y %}");
  fails(ErrorCode::invalid_input, "line 1, column 10: \"nosuch\" is undefined", "{{ nosuch() }}");
  fails(ErrorCode::invalid_input, "attribute \"x\" of a dict is undefined",
        "{{ messages[0].x.y }}");
  fails(ErrorCode::bad_format, "line 1, column 1: the \"{{\" is never closed", "{{ x");
  fails(ErrorCode::bad_format, "expected \"endif\"", "{% if 1 %}x");
  fails(ErrorCode::bad_format, "UTF-8 at byte 1", "a\xff");
  fails(ErrorCode::invalid_input, "may not change a list", "{{ messages.append(1) }}");
  const llm::Error raised =
      llm::test::catch_error([] { render("{{ raise_exception('No, thanks.') }}"); });
  EXPECT_STREQ(raised.what(), "No, thanks.");
  EXPECT_EQ(raised.code(), ErrorCode::invalid_input);
}

TEST(ChatTemplate, TimeIsEnglishAndGiven) {
  llm::ChatOptions options;
  std::tm now{};
  now.tm_year = 126;
  now.tm_mon = 2;
  now.tm_mday = 5;
  now.tm_wday = 4;
  now.tm_hour = 9;
  now.tm_min = 7;
  options.now = now;
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y|%A %B %-d|%H:%M:%S|%-H %I%p %%') }}", options),
            "05 Mar 2026|Thursday March 5|09:07:00|9 09AM %");
  EXPECT_NE(render("{{ strftime_now('%Y') }}"), "");
}

TEST(ChatTemplate, OfAFolder) {
  const llm::test::TempDir folder;
  expect_error(ErrorCode::unsupported, "has no chat template",
               [&] { ChatTemplate::open(folder.path()); });
  folder.write("tokenizer_config.json",
               R"({"bos_token":"<s>","eos_token":{"content":"</s>"},"chat_template":[
                   {"name":"default","template":"{{ bos_token }}one"},
                   {"name":"tool_use","template":"{{ tools|length }}{{ eos_token }}"}]})");
  const ChatTemplate listed = ChatTemplate::open(folder.path());
  EXPECT_EQ(listed.names(), (std::vector<std::string>{"default", "tool_use"}));
  EXPECT_EQ(listed.render(hello), "<s>one");
  EXPECT_EQ(listed.render(hello, {.tools = "[{}]"}), "1</s>");
  expect_error(ErrorCode::invalid_option, "\"rag\"",
               [&] { listed.render(hello, {.name = "rag"}); });
  folder.write("chat_template.jinja", "file{{ eos_token }}");
  EXPECT_EQ(ChatTemplate::open(folder.path()).render(hello), "file</s>");
  std::filesystem::create_directory(folder.path() / "chat_templates");
  folder.write("chat_templates/rag.jinja", "{{ documents[0].t }}");
  EXPECT_EQ(
      ChatTemplate::open(folder.path()).render(hello, {.documents = R"([{"t":1}])", .name = "rag"}),
      "1");
  folder.write("chat_template.jinja", "x\n{% if %}");
  expect_error(ErrorCode::bad_format, "chat_template.jinja, line 2",
               [&] { ChatTemplate::open(folder.path()); });
}

TEST(ChatTemplate, MessagesAreAsTheReferenceHandsThemOver) {
  const auto show = [](Message message) {
    const std::vector<Message> messages = {std::move(message)};
    return ChatTemplate::from_text("{{ messages[0]|tojson }}").render(messages);
  };
  EXPECT_EQ(show({"user", "a\nb", {}}), R"({"role": "user", "content": "a\nb"})");
  EXPECT_EQ(show({"assistant", {}, R"({"tool_calls":[],"name":null})"}),
            R"({"role": "assistant", "tool_calls": []})");
  EXPECT_EQ(show({"assistant", "x", R"({"content":"y"})"}),
            R"({"role": "assistant", "content": "y"})");
  expect_error(ErrorCode::invalid_input, "UTF-8", [&] { show({"user", "\xff", {}}); });
  expect_error(ErrorCode::invalid_input, "conversation is empty",
               [] { ChatTemplate::from_text("").render({}); });
  expect_error(ErrorCode::invalid_input, "tools", [] { render("", {.tools = "{}"}); });
  expect_error(ErrorCode::invalid_input, "variables", [] { render("", {.variables = "[]"}); });
}

TEST(ParseMessages, KeepsWhatItDoesNotKnow) {
  const auto messages = llm::parse_messages(
      R"({"messages":[{"role":"user","content":"a"},{"content":"b","role":"x"},{"role":"assistant","tool_calls":[1]}]})",
      "f");
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].role, "user");
  EXPECT_EQ(messages[0].content, "a");
  EXPECT_EQ(messages[0].extra, "");
  EXPECT_EQ(ChatTemplate::from_text("{{ messages[1]|tojson }}").render(messages),
            R"({"content": "b", "role": "x"})");
  EXPECT_FALSE(messages[2].content.has_value());
}

TEST(ParseMessages, WrongShapes) {
  const auto refused = [](const std::string& part, const std::string& json) {
    expect_error(ErrorCode::invalid_input, part, [&] { llm::parse_messages(json, "talk.json"); });
  };
  refused("talk.json: not valid JSON", "[{]");
  refused("expected a list of messages", "5");
  refused("expected a list of messages", "{}");
  refused("empty", "[]");
  refused("message 2: expected an object", R"([{"role":"user","content":"a"},"b"])");
  refused("message 1: \"role\" is missing", R"([{"content":"a"}])");
  refused("message 1: \"role\" must be a string, got an integer", R"([{"role":1,"content":"a"}])");
  refused("message 1: \"content\" is missing", R"([{"role":"user"}])");
  refused("\"content\" must be a string or a list of parts, got an integer",
          R"([{"role":"user","content":1}])");
  refused("a part of \"content\"", R"([{"role":"user","content":[1]}])");
  refused("nested deeper", std::string(200, '['));
  refused("occurs twice", R"([{"role":"user","role":"x"}])");
}

}  // namespace
