// llm-generate few-shot and score: sweeps, labels, conversations, warnings and errors.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_few_shot {
namespace {

namespace fs = std::filesystem;
using detail::OrderedJson;

class FewShotRun : public testing::Test {
 protected:
  // few-shot with the files below.
  std::vector<std::string> command(const std::string& model,
                                   const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"few-shot", "-m",         model,     "--template",
                                          template_,  "--examples", examples_, "--input",
                                          queries_,   "--jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::vector<OrderedJson> rows(const std::string& model,
                                const std::vector<std::string>& more) const {
    const Outcome result = run(command(model, more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return ordered_rows_of(result.out);
  }

  const TempDir folder_;
  const std::string template_ =
      folder_
          .write("t.json",
                 R"({"header":"Classify.\n\n","example":"R: {{text}}\nS: {{label}}\n\n",
                     "query":"R: {{text}}\nS:","stop":"\n"})")
          .string();
  const std::string examples_ =
      folder_.write("e.csv", "text,label\nso warm,good\n\"dull, long\",bad\nfine,good\n").string();
  const std::string queries_ =
      folder_
          .write("q.jsonl",
                 "{\"id\":\"a\",\"text\":\"Once "
                 "upon\",\"gold\":1}\n{\"id\":\"b\",\"text\":\"a time\",\"gold\":2}\n"
                 "{\"id\":\"c\",\"text\":\"there was\",\"gold\":3}\n")
          .string();
};

TEST_F(FewShotRun, SweepsAreTheSingleRuns) {
  for (const std::vector<std::string>& what : {std::vector<std::string>{"-n", "5"},
                                               {"-n", "5", "--do-sample", "-s", "7"},
                                               {"--labels-from", "label"},
                                               {"--labels", "good,bad", "--calibrate"}}) {
    for (const std::string& model : {llama, t5}) {
      std::vector<std::string> sweep = what, single = what;
      sweep.insert(sweep.end(), {"--shots", "0,2,3"});
      const auto all = rows(model, sweep);
      ASSERT_EQ(all.size(), 9u);
      for (const std::string shots : {"0", "2", "3"}) {
        std::vector<std::string> one = what;
        one.insert(one.end(), {"--shots", shots});
        std::vector<OrderedJson> expected;
        for (const OrderedJson& row : all)
          if (row["shots"].dump() == shots) expected.push_back(row);
        EXPECT_EQ(rows(model, one), expected) << what[0] << shots;
      }
    }
  }
}

TEST_F(FewShotRun, LabelsAreScoredBehindThePrompt) {
  const std::string prompt = "Classify.\n\nR: so warm\nS: good\n\nR: a time\nS:";
  for (const auto& [model, lead] : {std::pair{llama, " "}, {gpt2, " "}, {t5, ""}}) {
    const OrderedJson row = rows(model, {"--shots", "1", "--labels-from", "label"})[1];
    const Outcome scored = run({"score", "-m", model, "--json", "-p", prompt, "--choices",
                                std::string(lead) + "good," + lead + "bad"});
    ASSERT_EQ(scored.exit_code, 0) << scored.err;
    const OrderedJson choices = OrderedJson::parse(scored.out)["choices"];
    EXPECT_EQ(row["label_logprobs"]["good"], choices[0]["logprob"]) << model;
    EXPECT_EQ(row["label_logprobs"]["bad"], choices[1]["logprob"]) << model;
    const double a = std::exp(choices[0]["logprob"].get<double>());
    const double b = std::exp(choices[1]["logprob"].get<double>());
    EXPECT_NEAR(row["label_probs"]["good"].get<double>(), a / (a + b), 1e-12);
    EXPECT_EQ(row["label"], a > b ? "good" : "bad");
    EXPECT_EQ(row["shots"], 1);
  }
}

TEST_F(FewShotRun, CalibrationDividesByTheQueryWithoutContent) {
  const OrderedJson plain = rows(llama, {"--labels", "bad,good", "--shots", "2"})[0];
  const OrderedJson row = rows(llama, {"--labels", "bad,good", "--shots", "2", "--calibrate"})[0];
  const OrderedJson empty = OrderedJson::parse(
      run({"few-shot", "-m", llama, "--template", template_, "--examples", examples_, "--query",
           "N/A", "--labels", "bad,good", "--shots", "2", "--json"})
          .out);
  EXPECT_EQ(row["label_logprobs"], plain["label_logprobs"]);
  const auto ratio = [&](const char* label) {
    return std::exp(row["label_logprobs"][label].get<double>() -
                    empty["label_logprobs"][label].get<double>());
  };
  const double sum = ratio("bad") + ratio("good");
  EXPECT_NEAR(row["label_probs"]["bad"].get<double>(), ratio("bad") / sum, 1e-12);
  EXPECT_EQ(row["label"], ratio("bad") > ratio("good") ? "bad" : "good");
}

TEST_F(FewShotRun, DoesNotDependOnBatchesThreadsOrOrder) {
  std::string text, backwards;
  for (int i = 0; i < 20; ++i) {
    const std::string row =
        OrderedJson{{"id", i}, {"text", std::string(static_cast<std::size_t>(i), 'x')}}.dump() +
        "\n";
    text += row;
    backwards = row + backwards;
  }
  for (const std::vector<std::string>& what :
       {std::vector<std::string>{"-n", "6", "--do-sample", "-s", "3"}, {"--labels", "good,bad"}}) {
    const auto output = [&](const std::string& input, const std::vector<std::string>& more) {
      std::vector<std::string> arguments = command(gpt2, {"--shots", "1,2"});
      arguments[8] = "-";
      arguments.insert(arguments.end(), what.begin(), what.end());
      arguments.insert(arguments.end(), more.begin(), more.end());
      return run(arguments, input).out;
    };
    const std::string expected = output(text, {"--batch-size", "1", "-t", "1"});
    EXPECT_EQ(ordered_rows_of(expected).size(), 40u);
    for (const std::string batch : {"3", "8", "64"})
      for (const std::string threads : {"1", "3"})
        EXPECT_EQ(output(text, {"--batch-size", batch, "-t", threads}), expected) << batch;
    const auto forth = ordered_rows_of(expected), back = ordered_rows_of(output(backwards, {}));
    for (std::size_t i = 0; i < 20; ++i)
      for (std::size_t k = 0; k < 2; ++k) EXPECT_EQ(back[2 * i + k], forth[2 * (19 - i) + k]);
  }
}

TEST_F(FewShotRun, ShowsPromptsAndTheirTokens) {
  const auto shown = rows(llama, {"--show-prompt", "--shots", "0,1", "--keep", "gold"});
  ASSERT_EQ(shown.size(), 6u);
  EXPECT_EQ(shown[1]["prompt"], "Classify.\n\nR: so warm\nS: good\n\nR: Once upon\nS:");
  EXPECT_EQ(shown[1]["gold"], 1);
  const std::string ids = run({"tokenize", "-m", llama, shown[1]["prompt"].get<std::string>()}).out;
  EXPECT_EQ(shown[1]["prompt_tokens"], std::count(ids.begin(), ids.end(), ' ') + 1);
  std::vector<std::string> text = command(llama, {"--show-prompt", "--shots", "0"});
  text[9] = "-v";
  EXPECT_NE(run(text).err.find("line 1: 0 shots, "), std::string::npos);
}

TEST_F(FewShotRun, DropsExamplesThatDoNotFit) {
  std::string long_examples = "text,label\n";
  for (int i = 0; i < 9; ++i)
    long_examples += std::string(40, static_cast<char>('a' + i)) + ",good\n";
  long_examples += "short,bad\n";
  folder_.write("e.csv", long_examples);
  const Outcome without = run(command(llama, {"-n", "4"}));
  EXPECT_EQ(without.exit_code, 5);
  for (const std::vector<std::string>& what :
       {std::vector<std::string>{"-n", "40"}, {"--labels-from", "label"}}) {
    std::vector<std::string> more = what;
    more.emplace_back("--fit-shots");
    const Outcome result = run(command(llama, more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(result.err.find("more do not fit"), std::string::npos) << result.err;
    const std::vector<OrderedJson> rows = ordered_rows_of(result.out);
    more.emplace_back("--show-prompt");
    const std::vector<OrderedJson> shown = ordered_rows_of(run(command(llama, more)).out);
    ASSERT_EQ(shown.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_GT(rows[i]["dropped"], 0);
      EXPECT_LT(rows[i]["dropped"], 10);
      EXPECT_EQ(rows[i]["shots"], 10);
      for (const char* field : {"dropped", "prompt_tokens"})
        EXPECT_EQ(shown[i][field], rows[i][field]) << field;
    }
  }
}

TEST_F(FewShotRun, WithChatPromptsAreConversations) {
  const TempDir chat;
  for (const auto& entry : fs::directory_iterator(llama))
    fs::copy_file(entry.path(), chat.path() / entry.path().filename());
  chat.write("chat_template.jinja",
             "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
             "{% if add_generation_prompt %}<assistant>{% endif %}");
  const std::string model = chat.path().string();
  const std::string prompt =
      "<system>Classify.<user>R: so warm\nS:<assistant>good<user>R: a time\nS:<assistant>";
  const auto shown = rows(model, {"--chat", "--shots", "1", "--show-prompt"});
  EXPECT_EQ(shown[1]["prompt"], prompt);
  const OrderedJson label = rows(model, {"--chat", "--shots", "1", "--labels-from", "label"})[1];
  EXPECT_EQ(label["prompt_tokens"], shown[1]["prompt_tokens"]);
  const OrderedJson text = rows(model, {"--chat", "--shots", "1", "-n", "4"})[1];
  const OrderedJson same = OrderedJson::parse(
      run({"-m", model, "--no-special-tokens", "--json", "-n", "4", "--stop", "\\n", prompt}).out);
  EXPECT_EQ(text["new_ids"], same["new_ids"]);
  EXPECT_EQ(run(command(llama, {"--chat"})).exit_code, 3);  // it has no chat template
}

TEST_F(FewShotRun, SimilarExamplesAreChosenByEmbeddings) {
  folder_.write("e.csv", "text,label\nOnce upon,good\na time,bad\nthere was,good\n");
  const std::vector<std::string> similar = {
      "--select", "similar", "--embed-model", fixture("bert-masked-lm"), "--shots", "2"};
  std::vector<std::string> show = similar;
  show.emplace_back("--show-prompt");
  const auto shown = rows(llama, show);
  ASSERT_EQ(shown.size(), 3u);
  for (const OrderedJson& row : shown) {  // every row is an example: it is not shown to itself
    const std::string prompt = row["prompt"];
    const auto query = prompt.rfind("R: ");
    EXPECT_EQ(prompt.find(prompt.substr(query)), query) << prompt;
    EXPECT_EQ(std::count(prompt.begin(), prompt.end(), ':'), 6) << prompt;
  }
  std::vector<std::string> labels = similar;
  labels.insert(labels.end(), {"--labels-from", "label"});
  EXPECT_EQ(rows(llama, labels).size(), 3u);
  EXPECT_EQ(run(command(llama, {"--select", "similar"})).exit_code, 2);
  EXPECT_EQ(run(command(llama, {"--embed-model", llama})).exit_code, 2);
}

TEST_F(FewShotRun, Warns) {
  const auto warned = [&](const std::vector<std::string>& more) {
    const Outcome result = run(command(llama, more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.err;
  };
  EXPECT_EQ(warned({"--labels", "good,bad"}), "");
  folder_.write("q.jsonl", "{\"text\":\"fine\"}\n");
  EXPECT_EQ(warned({"-n", "1", "--shots", "1"}), "");
  EXPECT_NE(warned({"-n", "1"}).find("q.jsonl, line 1 is also an example ("), std::string::npos);
  folder_.write("t.json", R"({"example":"R: {{text}}\nS: {{label}}","query":"R: {{text}}\nS: "})");
  EXPECT_NE(warned({"-n", "1", "--shots", "0"}).find("ends with a space"), std::string::npos);
  folder_.write("t.json", R"({"example":"{{text}}: {{label}}as\n","query":"{{text}}:"})");
  folder_.write("e.csv", "text,label\na,w\nb,bad\n");
  EXPECT_NE(warned({"--labels", "w,bad"}).find("the label \"w\" begins with the token"),
            std::string::npos);
}

TEST_F(FewShotRun, SaysWhatIsWrong) {
  const auto refused = [&](int code, const std::string& part,
                           const std::vector<std::string>& more) {
    const Outcome result = run(command(llama, more));
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result.err;
  };
  refused(2, "\"go\" is the beginning of \"good\"", {"--labels", "good,go"});
  refused(2, "more than the 3 examples", {"--shots", "0,4"});
  refused(2, "has 1 twice", {"--shots", "1,1"});
  refused(2, "expected first, random", {"--select", "worst"});
  refused(2, "--calibrate is about labels", {"--calibrate"});
  refused(4, "e.csv, line 2: the example has no \"class\"", {"--labels-from", "class"});
  folder_.write("e.csv", "text,label\n");
  refused(4, "there are no examples in it", {});
  folder_.write("e.csv", "");
  refused(4, "is empty", {});
  folder_.write("e.csv", "text,label\na,b,c\n");
  refused(4, "line 2: expected 2 cells", {});
  folder_.write("e.csv", "text,name\na,b\n");
  refused(4, "the field \"label\" is not in", {});
  folder_.write("e.csv", "id,text,label\n1,a,b\n1,c,d\n");
  refused(4, "line 3: the id \"1\" is that of line 2, too", {});
}

TEST(Score, ChoicesInEveryForm) {
  const OrderedJson flags = OrderedJson::parse(
      run({"score", "-m", llama, "--json", "-p", "Once upon", "--choices", " a time, the end"})
          .out);
  const std::string rows =
      "{\"prompt\":\"Once upon\",\"choices\":[\" a time\",\" the end\"]}\n"
      "{\"prompt\":\"Once upon\",\"completion\":\" a time\"}\n{\"prompt\":\"Once upon\"}\n";
  const Outcome result = run({"score", "-m", llama, "--input", "-", "--token-logprobs"}, rows);
  EXPECT_EQ(result.exit_code, 5);
  const auto scored = ordered_rows_of(result.out);
  ASSERT_EQ(scored.size(), 3u);
  for (std::size_t i = 0; i < 2; ++i) {
    const OrderedJson& choice = scored[0]["choices"][i];
    EXPECT_EQ(choice["logprob"], flags["choices"][i]["logprob"]);
    double sum = 0;
    for (const OrderedJson& token : choice["token_logprobs"]) sum += token["logprob"].get<double>();
    EXPECT_EQ(choice["logprob"].get<double>(), sum);
    EXPECT_EQ(choice["tokens"], choice["token_logprobs"].size());
  }
  EXPECT_EQ(scored[1]["logprob"], flags["choices"][0]["logprob"]);
  EXPECT_NE(scored[2]["error"].get<std::string>().find("neither \"choices\" nor"),
            std::string::npos);
  const std::string csv = "prompt,choices\nOnce upon,\"[\"\" a time\"\",\"\" the end\"\"]\"\n";
  const Outcome cells = run({"score", "-m", llama, "--input", "-", "--input-format", "csv",
                             "--length-normalize", "tokens"},
                            csv);
  const OrderedJson cell = ordered_rows_of(cells.out)[0];
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_DOUBLE_EQ(
        cell["choices"][i]["score"].get<double>(),
        flags["choices"][i]["logprob"].get<double>() / flags["choices"][i]["tokens"].get<double>());
}

TEST(Score, Perplexity) {
  const TempDir folder;
  std::string text;
  for (int i = 0; i < 60; ++i) text += "Once upon a time " + std::to_string(i) + ". ";
  const std::string file = folder.write("long.txt", text).string();
  const auto measured = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"score", "-m", llama, "--perplexity", file, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome result = run(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return OrderedJson::parse(result.out);
  };
  const OrderedJson whole = measured({});
  EXPECT_EQ(whole["window"], 256);
  EXPECT_EQ(whole["stride"], 256);
  EXPECT_NEAR(whole["perplexity"].get<double>(), std::exp(whole["nll"].get<double>()), 1e-9);
  const OrderedJson small = measured({"--window", "64", "--stride", "16"});
  EXPECT_GT(small["windows"], whole["windows"]);
  EXPECT_EQ(run({"score", "-m", llama, "--perplexity", "-"}, text).exit_code, 0);
  const auto refused = [&](const std::vector<std::string>& arguments, int code) {
    EXPECT_EQ(run(arguments).exit_code, code) << arguments.back();
  };
  refused({"score", "-m", t5, "--perplexity", file}, 2);
  refused({"score", "-m", llama, "--perplexity", file, "--window", "8", "--stride", "9"}, 2);
  refused({"score", "-m", llama, "--perplexity", file, "--window", "1000"}, 6);
  refused({"score", "-m", llama, "--perplexity", "/no/file"}, 4);
  refused({"score", "-m", llama, "--perplexity", file, "a prompt"}, 2);
  refused({"score", "-m", llama, "a prompt"}, 2);
}

}  // namespace
}  // namespace llm::test::cli_few_shot
