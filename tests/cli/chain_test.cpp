// chain at the shell: steps beside the commands of the same tasks, rows, the examples, bad input.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/paths.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_chain {
namespace {

using detail::Json;
namespace fs = std::filesystem;

const std::string llama = fixture("llama-gqa"), t5 = fixture("t5-v1_0");

// One step that is asked "Once upon a time" or whatever its members say, as its only line.
Json value_of(const TempDir& folder, Json step, const std::vector<std::string>& more = {}) {
  step["name"] = "a";
  const std::string file = folder.write("c.json", Json{{"steps", {step}}}.dump()).string();
  std::vector<std::string> arguments = {"chain", file, "--jsonl", "--seed", "5"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome result = run(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.exit_code == 0 ? Json::parse(result.out) : Json();
}

// Every field that the command writes is in the chain's value.
void same(const Json& value, const std::vector<std::string>& command) {
  std::vector<std::string> arguments = command;
  arguments.emplace_back("--json");
  const Outcome result = run(arguments);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json written = Json::parse(result.out);
  for (const auto& [name, field] : written.items())
    EXPECT_EQ(value.value(name, Json("missing")), field) << command[0] << " " << name;
}

TEST(Chain, StepsGiveWhatCommandsGive) {
  const TempDir folder;
  const std::string text = "Once upon a time";
  same(value_of(folder, {{"task", "summarize"},
                         {"model", t5},
                         {"text", text},
                         {"options", {{"max_new_tokens", 9}}}}),
       {"summarize", "-m", t5, "-n", "9", text});
  same(value_of(folder, {{"task", "translate"},
                         {"model", fixture("mbart-languages")},
                         {"text", "water"},
                         {"options",
                          {{"src_lang", "en_XX"}, {"tgt_lang", "de_DE"}, {"max_new_tokens", 9}}}}),
       {"translate", "-m", fixture("mbart-languages"), "--source-lang", "en_XX", "--target-lang",
        "de_DE", "-n", "9", "water"});
  same(value_of(folder,
                {{"model", llama},
                 {"prompt", text},
                 {"options",
                  {{"max_new_tokens", 7}, {"temperature", 1.3}, {"seed", 11}, {"stop", {"e"}}}}}),
       {"generate", "-m", llama, "-n", "7", "--temperature", "1.3", "--seed", "11", "--stop", "e",
        text});
  same(value_of(folder, {{"task", "classify"},
                         {"model", fixture("bert-nli")},
                         {"text", "the cat"},
                         {"text_pair", "a bird"}}),
       {"classify", "-m", fixture("bert-nli"), "--text-pair", "a bird", "the cat"});
  same(value_of(folder, {{"task", "zero-shot"},
                         {"model", fixture("bert-nli")},
                         {"text", "the cat"},
                         {"labels", {"bird", "house"}}}),
       {"zero-shot", "-m", fixture("bert-nli"), "--labels", "bird,house", "the cat"});
  same(value_of(folder,
                {{"task", "ner"},
                 {"model", fixture("bert-ner")},
                 {"text", "the cat saw a bird"},
                 {"options", {{"aggregation_strategy", "simple"}, {"ignore_labels", {"none"}}}}}),
       {"ner", "-m", fixture("bert-ner"), "--aggregation-strategy", "simple", "--ignore-labels",
        "none", "the cat saw a bird"});
  same(value_of(folder, {{"task", "qa"},
                         {"model", fixture("bert-answers")},
                         {"question", "Who?"},
                         {"context", "The cat saw a bird."},
                         {"options", {{"top_k", 2}}}}),
       {"qa", "-m", fixture("bert-answers"), "--question", "Who?", "--context",
        "The cat saw a bird.", "--top-k", "2"});
  same(value_of(folder, {{"task", "fill-mask"},
                         {"model", fixture("bert-masked-lm")},
                         {"text", "the [MASK] saw"}}),
       {"fill-mask", "-m", fixture("bert-masked-lm"), "the [MASK] saw"});
  same(value_of(folder, {{"task", "fill-mask"}, {"model", t5}, {"text", "the <extra_id_0> saw"}}),
       {"fill-mask", "-m", t5, "the <extra_id_0> saw"});
  const std::string mbart = fixture("mbart-languages");
  same(value_of(folder, {{"task", "fill-mask"}, {"model", mbart}, {"text", "the <mask> cat"}}),
       {"fill-mask", "-m", mbart, "the <mask> cat"});
  same(value_of(folder, {{"task", "embed"},
                         {"model", fixture("bert-ner")},
                         {"text", "the cat"},
                         {"options", {{"pooling", "cls"}, {"normalize", true}}}}),
       {"embed", "-m", fixture("bert-ner"), "--pooling", "cls", "--normalize", "the cat"});
  same(value_of(folder, {{"task", "similar"},
                         {"model", fixture("bert-ner")},
                         {"text", "the cat"},
                         {"text_pair", "a bird"}}),
       {"similar", "-m", fixture("bert-ner"), "--text-pair", "a bird", "the cat"});
  for (const std::string& model : {llama, t5})
    same(
        value_of(folder, {{"task", "score"},
                          {"model", model},
                          {"prompt", text},
                          {"choices", {" good", " bad, and worse"}},
                          {"options", {{"length_normalize", "tokens"}, {"token_logprobs", true}}}}),
        {"score", "-m", model, "--choice", " good", "--choice", " bad, and worse",
         "--length-normalize", "tokens", "--token-logprobs", text});
}

TEST(Chain, FewShotAndChatSteps) {
  const TempDir folder;
  const fs::path examples = source_dir() / "examples" / "sentiment";
  same(value_of(folder,
                {{"task", "few-shot"},
                 {"model", llama},
                 {"template", (examples / "template.json").string()},
                 {"examples", (examples / "examples.jsonl").string()},
                 {"fields", {{"text", "{{review}} film"}}},
                 {"options", {{"shots", 1}, {"max_new_tokens", 5}}}},
                {"--set", "review=A warm"}),
       {"few-shot", "-m", llama, "--template", (examples / "template.json").string(), "--examples",
        (examples / "examples.jsonl").string(), "--shots", "1", "-n", "5", "--query",
        "A warm film"});
  const fs::path chat = folder.path() / "chat";
  fs::create_directory(chat);
  for (const auto& entry : fs::directory_iterator(llama))
    fs::create_symlink(entry.path(), chat / entry.path().filename());
  std::ofstream(chat / "chat_template.jinja")
      << "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";
  same(value_of(folder, {{"task", "chat"},
                         {"model", chat.string()},
                         {"prompt", "Hello"},
                         {"system", "Be kind"},
                         {"options", {{"max_new_tokens", 6}}}}),
       {"chat", "-m", chat.string(), "--system", "Be kind", "-n", "6", "Hello"});
}

std::vector<std::string> joined(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::string example(const std::string& name) {
  return (source_dir() / "examples" / "chains" / name).string();
}

TEST(ChainExamples, SummariesAndAnAnswer) {
  const std::vector<std::string> command = {"chain", example("news/news.json"),
                                            "--use", "summarizer=" + t5,
                                            "--use", "reader=" + fixture("t5-v1_1")};
  const Outcome all = run(joined(command, {"--all", "--jsonl"}));
  ASSERT_EQ(all.exit_code, 0) << all.err;
  const std::vector<Json> rows = rows_of(all.out);
  ASSERT_EQ(rows.size(), 4u);
  std::string prompt;
  const std::vector<Json> articles =
      read_json_rows(source_dir() / "examples/chains/news/articles.jsonl");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i]["step"], "summary");
    EXPECT_EQ(rows[i]["index"], i + 1);
    EXPECT_EQ(rows[i]["input"], articles[i]["body"]);
    prompt +=
        articles[i]["title"].get<std::string>() + ": " + rows[i]["text"].get<std::string>() + "\n";
  }
  prompt += "\nQuestion: Where does the new bridge stand?\nAnswer:";
  EXPECT_EQ(rows[3]["input"], prompt);
  const Outcome one = run({"summarize", "-m", t5, "-n", "40", "--num-beams", "2",
                           articles[1]["body"].get<std::string>()});
  EXPECT_EQ(one.out, rows[1]["text"].get<std::string>() + "\n");
  const Outcome answer = run(command);
  EXPECT_EQ(answer.out, rows[3]["text"].get<std::string>() + "\n");
  EXPECT_EQ(run({"-m", fixture("t5-v1_1"), "-n", "30", prompt}).out, answer.out);
  EXPECT_EQ(answer.err, "");
}

TEST(ChainExamples, SummariesOfADialogueSideBySide) {
  const std::vector<std::string> command = {
      "chain", example("dialogue/dialogue.json"), "--use", "model=" + t5, "--seed", "3"};
  const Outcome table = run(command);
  ASSERT_EQ(table.exit_code, 0) << table.err;
  EXPECT_EQ(std::ranges::count(table.out, '\n'), 6);
  const std::vector<Json> rows = rows_of(run(joined(command, {"--all", "--jsonl"})).out);
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(rows[6]["text"].get<std::string>() + "\n", table.out);
  for (std::size_t shots = 0; shots < 3; ++shots) {
    const std::string prompt = rows[shots]["input"];
    EXPECT_EQ(rows[shots + 3]["input"], prompt);
    EXPECT_NE(rows[shots + 3]["seed"], 0);
    std::size_t found = 0;
    for (std::size_t at = 0;
         (at = prompt.find("Summarize the following conversation.", at)) != prompt.npos; ++at)
      ++found;
    EXPECT_EQ(found, shots + 1);
  }
  // The same as few-shot, which takes the dialogue by a flag.
  const Json chain = Json::parse(read_text(example("dialogue/dialogue.json")));
  const Outcome few = run({"few-shot", "-m", t5, "--template", example("dialogue/template.json"),
                           "--examples", example("dialogue/examples.jsonl"), "--shots", "2", "-n",
                           "50", "--query", chain["inputs"]["dialogue"].get<std::string>()});
  EXPECT_EQ(few.out, rows[2]["text"].get<std::string>() + "\n");
}

TEST(ChainExamples, QuestionsAndStory) {
  const Outcome found =
      run({"chain", example("questions/questions.json"), "--use", "embedder=" + fixture("bert-ner"),
           "--use", "reader=" + llama, "--steps", "facts"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_EQ(std::ranges::count(found.out, '\n'), 2) << found.out;
  const Json nearest = Json::parse(
      run({"similar", "-m", fixture("bert-ner"), "--nearest", example("questions/facts.txt"), "-k",
           "2", "--json", "How deep is the lake?"})
          .out)["nearest"];
  EXPECT_EQ(found.out, "- " + nearest[0]["text"].get<std::string>() + "\n- " +
                           nearest[1]["text"].get<std::string>() + "\n");
  const Outcome story = run({"chain", example("story.json"), "--use", "writer=" + llama, "--seed",
                             "1", "--all", "--jsonl"});
  EXPECT_EQ(story.exit_code, 0) << story.err;
  const std::vector<Json> rounds = rows_of(story.out);
  ASSERT_GE(rounds.size(), 2u);
  EXPECT_EQ(rounds.back()["rounds"], rounds.size() - 1);
  std::string text;
  for (std::size_t i = 0; i + 1 < rounds.size(); ++i) text += rounds[i]["text"].get<std::string>();
  EXPECT_EQ(rounds.back()["text"], text);
  EXPECT_EQ(run({"chain", example("news/news-chat.json"), "--dry-run"}).exit_code, 0);
}

TEST(Chain, RowsAreFunctionsOfThemselves) {
  const TempDir folder;
  const std::string file = folder
                               .write("c.json", R"({"models": {"m": ")" + llama + R"("}, "steps": [
      {"name": "parts", "map": "list", "prompt": "{{item}} {{word}}",
       "options": {"max_new_tokens": 4, "temperature": 1.2}},
      {"name": "end", "reduce": "parts", "separator": " + "}]})")
                               .string();
  std::string rows;
  for (int i = 0; i < 7; ++i)
    rows +=
        Json{{"id", "r" + std::to_string(i)}, {"list", {"Once", "The cat " + std::to_string(i)}}}
            .dump() +
        "\n";
  rows += "{\"id\":\"bad\",\"list\":\"no\"}\n{\"id\":\"none\"}\n";
  const std::string input = folder.write("in.jsonl", rows).string();
  const std::vector<std::string> command = {"chain",  file, "--input", input,
                                            "--seed", "9",  "--set",   "word=saw"};
  const Outcome first = run(joined(command, {"--jsonl"}));
  EXPECT_EQ(first.exit_code, 5) << first.err;
  const std::vector<Json> lines = rows_of(first.out);
  ASSERT_EQ(lines.size(), 9u);
  EXPECT_NE(lines[0]["text"], lines[1]["text"]);
  EXPECT_NE(lines[7]["error"].get<std::string>().find("step \"parts\": "), std::string::npos)
      << lines[7];
  EXPECT_EQ(lines[7]["line"], 8);
  EXPECT_NE(lines[8]["error"].get<std::string>().find("there is no input \"list\""),
            std::string::npos);
  EXPECT_EQ(run(joined(command, {"--jsonl", "--batch-size", "1", "--threads", "1"})).out,
            first.out);
  EXPECT_EQ(run(joined(command, {"--jsonl", "--batch-size", "3", "--threads", "2"})).out,
            first.out);
  std::string sharded;
  for (const char* shard : {"1/2", "2/2"})
    sharded += run(joined(command, {"--jsonl", "--shard", shard})).out;
  for (const Json& line : lines)
    if (!line.contains("error")) {
      EXPECT_NE(sharded.find(line.dump()), std::string::npos) << line;
    }
  const Outcome csv = run(joined(command, {"--format", "csv", "--all", "--keep", "list"}));
  EXPECT_EQ(csv.out.substr(0, csv.out.find('\n')).substr(0, 37),
            "id,list,step,index,round,input,text,n");
}

TEST(Chain, ResumesWhereItWasKilled) {
  const TempDir folder;
  const std::string file = folder
                               .write("c.json", R"({"models": {"m": ")" + llama + R"("}, "steps": [
      {"name": "a", "prompt": "{{text}}", "options": {"max_new_tokens": 20, "do_sample": true}},
      {"name": "b", "prompt": "{{a}} {{text}}", "options": {"max_new_tokens": 20, "do_sample": true}}]})")
                               .string();
  std::string rows;
  for (int i = 0; i < 60; ++i) rows += "Once upon " + std::to_string(i) + "\n";
  const std::string input = folder.write("in.txt", rows).string();
  const auto command = [&](const std::string& out, const std::vector<std::string>& more) {
    return joined({"chain", file, "--input", input, "--threads", "1", "-o",
                   (folder.path() / out).string(), "--batch-size", "2"},
                  more);
  };
  Outcome killed;
  for (int wait = 40; wait < 2000 && killed.exit_code != 128 + 9; wait += 40) {
    Command one;
    one.arguments = command("k.jsonl", {"--seed", "4", "--force"});
    one.kill_after_ms = wait;
    killed = run(one);
    if (!fs::exists(folder.path() / "k.jsonl.partial")) break;
    if (fs::file_size(folder.path() / "k.jsonl.partial") == 0) killed.exit_code = 0;
  }
  EXPECT_EQ(run(command("k.jsonl", {"--seed", "4", "--resume", "--force"})).exit_code, 0);
  EXPECT_EQ(run(command("w.jsonl", {"--seed", "4"})).exit_code, 0);
  EXPECT_EQ(read_text(folder.path() / "k.jsonl"), read_text(folder.path() / "w.jsonl"));
}

TEST(Chain, BadInput) {
  const TempDir folder;
  const auto chain = [&](const std::string& json) { return folder.write("c.json", json).string(); };
  const std::string good = R"({"models": {"m": ")" + llama + R"("}, "steps": [
      {"name": "a", "map": "list", "prompt": "{{item}} {{x}}", "options": {"max_new_tokens": 2}}]})";
  expect_failure({"chain"}, 2, "FILE");
  expect_failure({"chain", "/no/file.json"}, 4, "/no/file.json: cannot be read");
  const std::string echo = chain(R"({"steps":[{"name":"a","task":"text","text":"{{q}}"}]})");
  expect_failure({"chain", echo, "--set", "q=x\xff"}, 4, "--set \"q\": is not UTF-8 at byte 2");
  expect_failure({"chain", echo, "--set", "q=x", "--seed", "-1"}, 2,
                 "from 0 to 18446744073709551615");
  expect_failure({"chain", echo, "--set", "q=x", "--seed", "18446744073709551616"}, 2, "from 0 to");
  expect_failure({"chain", chain("")}, 4, "the file is empty");
  expect_failure({"chain", chain("{\"steps\": [")}, 4, "not valid JSON");
  expect_failure({"chain", chain(R"({"steps": [{"name": "a", "task": "text", "text": "{{b}}"},
                                      {"name": "b", "task": "text", "text": "{{a}}"}]})")},
                 4, "a -> b -> a");
  expect_failure({"chain", chain(good), "--use", "n=x"}, 2, "has no model of this name");
  expect_failure({"chain", chain(good), "--use", "m=/no/model"}, 3,
                 "there is no model \"/no/model\"");
  expect_failure({"chain", chain(R"({"steps": [{"name": "a", "prompt": "x"}]})")}, 4,
                 "no model for the task");
  expect_failure({"chain", chain(good)}, 4, "there is no input \"list\"");
  expect_failure({"chain", chain(good), "--set", "lits=1"}, 2, "did you mean \"list\"?");
  expect_failure({"chain", chain(good), "--set", "x"}, 2, "expected NAME=VALUE");
  expect_failure({"chain", chain(good), "--set", "x=1", "--set", "x=2"}, 2, "twice");
  expect_failure({"chain", chain(good), "--set", "list=one", "--set", "x=1"}, 4,
                 "\"list\" is no list");
  expect_failure({"chain", chain(good), "--set", "list=@/no/file.jsonl"}, 4, "/no/file.jsonl");
  expect_failure({"chain", chain(good), "--steps", "b"}, 2, "there is no step \"b\"");
  expect_failure({"chain", chain(good), "--adapter", llama}, 2, "which model");
  std::string words;
  for (int i = 0; i < 300; ++i) words += "time ";
  const Outcome long_item = run({"chain", chain(good), "--set", "x=1", "--add", "list=a", "--add",
                                 "list=" + words, "--jsonl"});
  EXPECT_EQ(long_item.exit_code, 6);
  EXPECT_NE(long_item.err.find("step \"a\", item 2 of \"list\", with the input \"time time"),
            std::string::npos)
      << long_item.err;
  EXPECT_EQ(rows_of(long_item.out).size(), 1u);
  const std::string out = folder.write("there.txt", "x").string();
  expect_failure({"chain", chain(good), "--add", "list=a", "--set", "x=1", "-o", out}, 2, "exists");
  EXPECT_EQ(read_text(out), "x");
  // What was done is there when a later step fails.
  const Outcome late = run({"chain", chain(R"({"models": {"m": ")" + llama + R"("}, "steps": [
      {"name": "a", "task": "text", "text": "so far"}, {"name": "b", "prompt": "{{x}}"}]})"),
                            "--set", "x=" + words, "--all", "--jsonl"});
  EXPECT_EQ(late.exit_code, 6);
  EXPECT_EQ(rows_of(late.out).at(0)["text"], "so far");
}

// What was done is written, and the value that a signal came into as far as it got.
TEST(Chain, CtrlCKeepsWhatIsDone) {
  const TempDir folder;
  const std::string file = folder
                               .write("c.json", R"({"models": {"m": ")" + llama + R"("}, "steps": [
      {"name": "a", "task": "text", "text": "Once"},
      {"name": "b", "prompt": "{{a}}", "repeat": {"times": 100000},
       "options": {"max_new_tokens": 8, "overflow": "truncate-left", "seed": 1, "do_sample": true}}]})")
                               .string();
  for (const auto& [number, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    Command command;
    command.arguments = {"chain", file, "--all", "--jsonl"};
    command.signal_after_output = number;
    const Outcome stopped = run(command);
    EXPECT_EQ(stopped.exit_code, code);
    const std::vector<Json> lines = rows_of(stopped.out);
    ASSERT_GE(lines.size(), 1u);
    EXPECT_EQ(stopped.err,
              "llm-generate: interrupted after " + std::to_string(lines.size()) + " results\n");
    if (lines.size() == 1) continue;  // it came before the first round
    EXPECT_EQ(lines.back()["ended"], "interrupted");
    std::string text;
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) text += lines[i]["text"].get<std::string>();
    EXPECT_TRUE(lines.back()["text"].get<std::string>().starts_with(text));
  }
}

TEST(Chain, ListsOfRows) {
  const TempDir folder;
  const std::string file =
      folder.write("c.json", R"({"steps": [{"name": "a", "task": "text", "map": "d"}]})").string();
  const Outcome some = run({"chain", file, "--input", "-", "--add", "d=z", "--jsonl"},
                           "{\"id\":1,\"d\":[\"x\",\"y\"]}\n{\"id\":2}\n");
  std::string texts;
  for (const Json& row : rows_of(some.out))
    texts += row["id"].dump() + row["text"].get<std::string>() + " ";
  EXPECT_EQ(texts, "1x 1y 1z 2z ") << some.err;
  const Outcome none = run({"chain", file, "--input", "-", "--jsonl"},
                           "{\"id\":1,\"d\":[]}\n{\"id\":2,\"d\":[5]}\n");
  EXPECT_EQ(none.out,
            "{\"id\":1,\"step\":\"a\",\"items\":[]}\n"
            "{\"id\":2,\"step\":\"a\",\"index\":1,\"text\":\"5\"}\n");
}

TEST(Chain, WhatIsDoneBeforeAnErrorIsKept) {
  const TempDir folder;
  const std::string file =
      folder
          .write("c.json", R"({"steps": [{"name": "a", "task": "similar", "map": "d", "model": ")" +
                               fixture("bert-ner") +
                               R"(", "text": "{{item}}", "text_pair": "cat"}]})")
          .string();
  for (const char* format : {"jsonl", "json", "csv", "text"}) {
    const std::string out = (folder.path() / format).string();
    const Outcome failed =
        run({"chain", file, "--add", "d=bird", "--add", "d=", "--format", format, "-o", out});
    EXPECT_EQ(failed.exit_code, 4) << failed.err;
    EXPECT_FALSE(read_text(out).empty()) << format << failed.err;
  }
}

TEST(Chain, PlanInputsAndPipes) {
  const TempDir folder;
  const std::string file = folder
                               .write("c.json", R"({"steps": [
      {"name": "a", "task": "text", "text": "<{{text}}>"},
      {"name": "b", "task": "text", "map": "list", "text": "{{item}}/{{item.n}}{{a}}"}]})")
                               .string();
  const Outcome plan = run({"chain", file, "--dry-run"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_NE(plan.out.find("inputs: text, list\n"), std::string::npos) << plan.out;
  const Json json = Json::parse(run({"chain", file, "--dry-run", "--json"}).out);
  EXPECT_EQ(json["steps"][1]["uses"], Json::parse("[\"a\"]"));
  const std::string rows = folder.write("l.csv", "text,n\nx,1\ny,2\n").string();
  const Outcome piped = run({"chain", file, "--set", "list=@" + rows}, "in\n");
  EXPECT_EQ(piped.out, "x/1<in>\ny/2<in>\n") << piped.err;
  EXPECT_EQ(run({"chain", file, "--set", "list=@" + rows, "--all"}, "in\n").out,
            "a: <in>\nb 1: x/1<in>\nb 2: y/2<in>\n");
  const Json list =
      Json::parse(run({"chain", file, "--set", "list=@" + rows, "--json"}, "in\n").out);
  EXPECT_EQ(list.size(), 2u);
  EXPECT_EQ(list[1]["text"], "y/2<in>");
  const Outcome help = run({"chain", "--help"});
  for (const char* word : {"repeat", "reduce", "retrieve", "--dry-run", "{{index}}"})
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
}

}  // namespace
}  // namespace llm::test::cli_chain
