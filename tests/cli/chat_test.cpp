// chat: one turn, rows of conversations, and one that goes on line by line.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_chat {
namespace {

namespace fs = std::filesystem;
using detail::Json;

// llama-rope-llama3 with a chat template.
class Chat : public ::testing::Test {
 protected:
  Chat() {
    for (const auto& entry : fs::directory_iterator(fixture("llama-rope-llama3")))
      fs::create_symlink(entry.path(), folder_.path() / entry.path().filename());
    folder_.write(
        "chat_template.jinja",
        "{% for m in messages %}{% if m.role == 'banned' %}{{ raise_exception('No '~m.role"
        ") }}{% endif %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>");
    model_ = folder_.path().string();
  }
  std::vector<std::string> chat(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"chat", "-m", model_, "-n", "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  void fails(const std::vector<std::string>& more, int code, const std::string& part,
             const std::string& input = {}) const {
    const Outcome result = run(chat(more), input);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  }
  std::string generate(const std::string& prompt) const {
    return run({"-m", model_, "-n", "8", "--no-special-tokens", "-p", prompt}).out;
  }
  TempDir folder_;
  std::string model_;
};

// Rows behind a signal are not done, and the one whose template is running is no row with an error.
TEST_F(Chat, ASignalEndsTheTemplate) {
  const std::string slow =
      "{% if messages[0].content == 'slow' %}{% for a in range(99999) %}{% for b in range(99999) %}"
      "{% endfor %}{% endfor %}{% endif %}{{ messages[0].content }}";
  folder_.write("slow.jinja", slow);
  Command command;
  command.arguments = chat({"--chat-template", (folder_.path() / "slow.jinja").string(),
                            "--show-prompt", "--jsonl", "--batch-size", "1", "--input", "-"});
  command.input = "{\"text\": \"quick\"}\n{\"text\": \"slow\"}\n{\"text\": \"slow\"}\n";
  for (const auto& [number, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    command.signal_after_output = number;
    const Outcome result = run(command);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_EQ(std::ranges::count(result.out, '\n'), 1) << result.out;
    EXPECT_NE(result.err.find("interrupted after 1 results"), std::string::npos) << result.err;
  }
}

TEST_F(Chat, OneTurnIsGenerateOnTheRenderedPrompt) {
  const Outcome shown = run(chat({"--system", "Be.", "--user", "Hi", "--show-prompt"}));
  const std::string prompt = "<system>Be.\n<user>Hi\n<assistant>";
  EXPECT_EQ(shown.out, prompt + "\n");
  EXPECT_NE(shown.err.find(" tokens"), std::string::npos);
  const std::string expected = generate(prompt);
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(run(chat({"--system", "Be.", "--user", "Hi"})).out, expected);
  EXPECT_EQ(run(chat({"--system", "Be."}), "Hi\n").out, expected);
  EXPECT_EQ(run(chat({"--system", "Be.", "i"}), "H").out, expected);
  const std::string messages =
      folder_
          .write("m.json", R"([{"role":"system","content":"Be."},{"role":"user","content":"Hi"}])")
          .string();
  EXPECT_EQ(run(chat({"--messages", messages})).out, expected);
  const Json row = Json::parse(run(chat({"--messages", messages, "--json"})).out);
  EXPECT_EQ(row["id"], "1");
  EXPECT_EQ(row["text"].get<std::string>() + "\n", expected);
  EXPECT_EQ(row["finish_reason"], "length");
}

TEST_F(Chat, RowsOfConversations) {
  const std::string rows = R"({"id":"a","messages":[{"role":"user","content":"Hi"}],"label":7})"
                           "\n"
                           R"({"id":"b","messages":[{"role":"user"}]})"
                           "\n"
                           R"({"id":"c","text":"Hi"})"
                           "\n"
                           R"({"id":"d","other":1})"
                           "\n";
  const Outcome result = run(chat({"--input", "-", "--system", "Be.", "--jsonl"}), rows);
  EXPECT_EQ(result.exit_code, 5) << result.err;
  std::istringstream lines(result.out);
  std::vector<Json> found;
  for (std::string line; std::getline(lines, line);) found.push_back(Json::parse(line));
  ASSERT_EQ(found.size(), 4u);
  const std::string expected = generate("<system>Be.\n<user>Hi\n<assistant>");
  EXPECT_EQ(found[0]["text"].get<std::string>() + "\n", expected);
  EXPECT_EQ(found[2]["text"], found[0]["text"]);
  EXPECT_NE(found[1]["error"].get<std::string>().find("\"content\" is missing"), std::string::npos)
      << found[1];
  EXPECT_NE(found[3]["error"].get<std::string>().find("neither \"messages\" nor"),
            std::string::npos)
      << found[3];
  const Outcome shown = run(chat({"--input", "-", "--show-prompt", "--jsonl"}), rows);
  EXPECT_EQ(Json::parse(shown.out.substr(0, shown.out.find('\n')))["prompt"],
            "<user>Hi\n<assistant>");
}

TEST_F(Chat, LineByLine) {
  const Outcome all = run(chat({"-i", "--system", "Be.", "--jsonl"}), "Hi\n\nAnd?\n");
  EXPECT_EQ(all.exit_code, 0) << all.err;
  std::istringstream lines(all.out);
  std::string first, second, more;
  std::getline(lines, first);
  std::getline(lines, second);
  EXPECT_FALSE(std::getline(lines, more)) << more;
  const std::string answer = Json::parse(first)["text"];
  EXPECT_EQ(answer + "\n", generate("<system>Be.\n<user>Hi\n<assistant>"));
  EXPECT_EQ(Json::parse(second)["text"].get<std::string>() + "\n",
            generate("<system>Be.\n<user>Hi\n<assistant>" + answer + "\n<user>And?\n<assistant>"));
  EXPECT_EQ(run(chat({"-i", "--system", "Be."}), "Hi\nAnd?\n").out,
            answer + "\n" + Json::parse(second)["text"].get<std::string>() + "\n");
  // A message that is given is the first.
  EXPECT_EQ(run(chat({"-i", "--system", "Be.", "Hi"}), "And?\n").out,
            answer + "\n" + Json::parse(second)["text"].get<std::string>() + "\n");
}

TEST_F(Chat, Commands) {
  const std::string saved = (folder_.path() / "saved.json").string();
  const Outcome result =
      run(chat({"-i"}), "One\n/undo\n//two\n/system Be.\n\"\"\"\nfoo\nbar\"\"\"\n/drop\n/save " +
                            saved + "\n/reset\n/save " + saved + "2\n/exit\nnever\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::ifstream file(saved), short_file(saved + "2");
  const Json messages = Json::parse(file), rest = Json::parse(short_file);
  ASSERT_EQ(messages.size(), 3u) << messages;
  EXPECT_EQ(messages[0], (Json{{"role", "system"}, {"content", "Be."}}));
  EXPECT_EQ(messages[1], (Json{{"role", "user"}, {"content", "foo\nbar"}}));
  EXPECT_EQ(messages[2]["role"], "assistant");
  EXPECT_EQ(rest, (Json::parse(R"([{"role":"system","content":"Be."}])")));
  // What was saved is read again.
  EXPECT_EQ(run(chat({"--messages", saved, "x", "--show-prompt"})).out,
            "<system>Be.\n<user>foo\nbar\n<assistant>" + messages[2]["content"].get<std::string>() +
                "\n<user>x\n<assistant>\n");
  for (const char* wrong : {"/sav x\n", "/undo\n", "/drop\n", "/save\n", "/system\n"}) {
    const Outcome bad = run(chat({"-i"}), wrong);
    EXPECT_EQ(bad.exit_code, 5) << wrong;
    EXPECT_EQ(bad.out, "");
    EXPECT_NE(bad.err.find("error:"), std::string::npos) << bad.err;
  }
}

TEST_F(Chat, TooLongAConversation) {
  std::string input;
  for (int turn = 0; turn < 40; ++turn) input += "one two three four\n";
  const Outcome full = run(chat({"-i", "--jsonl"}), input);
  EXPECT_EQ(full.exit_code, 5);
  EXPECT_NE(full.err.find("the conversation has "), std::string::npos) << full.err;
  EXPECT_NE(full.err.find("/drop forgets"), std::string::npos);
  const auto answers = std::ranges::count(full.out, '\n');
  EXPECT_GT(answers, 2);
  EXPECT_LT(answers, 40);
  const Outcome sliding = run(chat({"-i", "--jsonl", "--overflow", "truncate-left"}), input);
  EXPECT_EQ(sliding.exit_code, 0) << sliding.err;
  EXPECT_EQ(std::ranges::count(sliding.out, '\n'), 40);
  EXPECT_NE(sliding.err.find("oldest turn was left out"), std::string::npos);
  std::string words;
  for (int i = 0; i < 200; ++i) words += "word ";
  fails({words}, 6, "the prompt has ");
  fails({words, "--overflow", "truncate-middle"}, 2, "cut within a conversation");
}

TEST_F(Chat, AnInterruptEndsTheAnswerOnly) {
  Command command;
  command.arguments = {"chat", "-m", model_, "-i", "-n", "100000"};
  command.input = "one\n/save " + (folder_.path() / "after.json").string() + "\n";
  command.signal_after_output = SIGINT;
  const Outcome result = run(command);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(fs::exists(folder_.path() / "after.json"));
}

TEST_F(Chat, SaysWhatIsWrong) {
  const auto file = [&](const std::string& name, const std::string& text) {
    return folder_.write(name, text).string();
  };
  fails({"--messages", file("a", "{\"role\":\"user\"}")}, 4, "expected a list of messages");
  fails({"--messages", file("b", "[{\"role\":\"user\",\"content\":5}]")}, 4, "message 1");
  fails({"--messages", file("c", "[{\"content\":\"x\"}]")}, 4, "\"role\" is missing");
  fails({"--messages", file("d", "[")}, 4, "d");
  fails({"--messages", file("d2", "[]")}, 4, "the list of messages is empty");
  fails({"--messages", "/no/file", "x"}, 4, "/no/file");
  fails({"--messages", file("e", "[{\"role\":\"banned\",\"content\":\"\"}]")}, 4, "No banned");
  fails({"--messages", file("f", "[{\"role\":\"system\",\"content\":\"\"}]"), "--system", "x", "y"},
        2, "--system");
  fails({}, 2, "no message is given");
  fails({"--system", "x"}, 2, "no message is given");
  fails(
      {"x", "--chat-template",
       file("g", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")},
      7, "steps");
  fails({"x", "--chat-template", file("h", "{{ x|nope }}")}, 3, "the filter \"nope\" is not known");
  fails({"x", "--template-name", "other"}, 2, "there is no chat template \"other\"");
  fails({"x", "--chat-template-kwargs", "[1]"}, 4, "variables");
  fails({"x", "--tools", file("i", "{}")}, 4, "tools");
  const Outcome none = run({"chat", "-m", fixture("llama-gqa"), "x"});
  EXPECT_EQ(none.exit_code, 3);
  EXPECT_NE(none.err.find("has no chat template"), std::string::npos) << none.err;
  const Outcome encoder =
      run({"chat", "-m", fixture("bert-masked-lm"), "x", "--chat-template", file("j", "x")});
  EXPECT_EQ(encoder.exit_code, 3);
  EXPECT_NE(encoder.err.find("is an encoder (bert)"), std::string::npos) << encoder.err;
  // In a session the conversation goes on after an error.
  const Outcome session = run(chat({"-i", "--chat-template",
                                    file("k",
                                         "{% if messages|length == 3 %}{{ raise_exception("
                                         "'odd') }}{% endif %}<{{ messages|length }}>")}),
                              "a\nb\n/reset\nc\n");
  EXPECT_EQ(session.exit_code, 5);
  EXPECT_NE(session.err.find("error: odd"), std::string::npos) << session.err;
}

}  // namespace
}  // namespace llm::test::cli_chat
