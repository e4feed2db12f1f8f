// --eval of the commands on rows, and the command eval: reports, pictures, runs that go on, and
// what is said about bad input. What scores are is tested in tests/tasks.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "cli/run_command.hpp"
#include "support/json_rows.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_eval {
namespace {

namespace fs = std::filesystem;
using EvalJson = detail::OrderedJson;
using Words = std::vector<std::string>;

Words both(Words first, const Words& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++count;
  return count;
}

// Every element is closed, in order, and there is one around all.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at + 1)) {
    const std::size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    EXPECT_EQ(tag.find('<'), std::string::npos) << tag;
    EXPECT_EQ(count_of(tag, "\"") % 2, 0u) << tag;
    if (tag.starts_with('/')) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    if (open.empty()) {
      EXPECT_EQ(xml.substr(end), ">\n");
    }
  }
  EXPECT_TRUE(open.empty());
}

class Eval : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    return folder_.write(name, bytes).string();
  }
  EvalJson json(const std::string& name) const { return EvalJson::parse(read_text(path(name))); }
  void fails(const Words& arguments, int code, const std::string& part,
             const std::string& input = {}) const {
    const Outcome result = run(arguments, input);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos)
        << "expected \"" << part << "\" in: " << result.err;
    EXPECT_EQ(result.out, "");
  }
  Words few_shot(const Words& more) const {
    return both({"few-shot", "-m", llama, "--template", template_, "--examples", examples_,
                 "--input", queries_},
                more);
  }

  const TempDir folder_;
  const std::string template_ =
      write("t.json",
            R"({"example":"R: {{text}}\nS: {{label}}\n\n","query":"R: {{text}}\nS:","stop":"\n"})");
  const std::string examples_ = write("e.csv", "text,label\nso warm,good\nlong,bad\nfine,good\n");
  const std::string queries_ =
      write("q.jsonl",
            "{\"id\":\"a\",\"text\":\"Once upon\",\"label\":\"good\",\"kept\":1}\n"
            "{\"id\":2,\"text\":\"a time\",\"label\":\"bad\",\"kept\":2}\n"
            "{\"id\":\"c\",\"text\":\"there was\",\"label\":\"good\",\"kept\":3}\n"
            "{\"id\":\"d\",\"text\":\"a dragon\",\"label\":\"neither\",\"kept\":4}\n");
};

TEST_F(Eval, SweepOfLabels) {
  const Words sweep = few_shot({"--labels-from", "label", "--shots", "2,0", "--jsonl"});
  const Outcome plain = run(sweep);
  const Outcome scored = run(both(sweep, {"--eval", "accuracy,f1", "--eval-output", path("r.json"),
                                          "--plot", path("p.svg"), "--resamples", "50"}));
  ASSERT_EQ(scored.exit_code, 0) << scored.err;
  EXPECT_EQ(scored.out, plain.out);
  EXPECT_EQ(plain.err, "");
  const EvalJson report = json("r.json");
  EXPECT_EQ(report["by"], "shots");
  EXPECT_EQ(report["rows"], 8);
  ASSERT_EQ(report["groups"].size(), 2u);
  EXPECT_EQ(report["groups"][0]["shots"], 0);  // in order
  const char* const right[] = {"good", "bad", "good", "neither"};
  for (const EvalJson& group : report["groups"]) {
    int hits = 0, at = 0;
    for (const EvalJson& row : ordered_rows_of(plain.out))
      if (row["shots"] == group["shots"]) hits += row["label"] == right[at++];
    EXPECT_EQ(group["accuracy"]["value"], hits / 4.0);
    EXPECT_LE(group["accuracy"]["low"], group["accuracy"]["value"]);
    EXPECT_GE(group["accuracy"]["high"], group["accuracy"]["value"]);
    EXPECT_EQ(group["confusion"]["labels"], EvalJson({"bad", "good", "neither"}));
    EXPECT_EQ(group["f1"]["classes"].size(), 3u);
    EXPECT_NE(scored.err.find("\nshots " + group["shots"].dump() + "\nreference"),
              std::string::npos)
        << scored.err;
  }
  const std::string picture = read_text(path("p.svg"));
  expect_well_formed(picture);
  EXPECT_EQ(count_of(picture, "<circle"), 2u);
  EXPECT_EQ(count_of(picture, "<polyline"), 1u);
  EXPECT_NE(picture.find(">accuracy by shots</text>"), std::string::npos);
  EXPECT_EQ(run(both(sweep, {"-q", "--eval", "accuracy"})).err, "");
}

// What was scored while it was written is the same when it is read, in any format and order.
TEST_F(Eval, OfWrittenResultsIsTheSame) {
  for (const Words& how : {Words{"--labels-from", "label"}, {"-n", "3"}})
    for (const std::string format : {"jsonl", "csv", "tsv"}) {
      const std::string out = path("out." + format);
      const Outcome live = run(few_shot(both(
          how, {"--shots", "0,1,3", "--keep", "label", "-o", out, "--force", "--eval",
                "accuracy,exact_match,f1,squad_f1,rouge,bleu", "--eval-output", path("r.json")})));
      ASSERT_EQ(live.exit_code, 0) << live.err;
      const std::string kept = how.size() == 2 && how[0] == "-n" ? "label" : "input_label";
      const Words metrics = {"--metrics", "accuracy,exact_match,f1,squad_f1,rouge,bleu", "--json"};
      const Outcome same = run(both({"eval", out, "--reference", kept}, metrics));
      ASSERT_EQ(same.exit_code, 0) << same.err;
      EXPECT_EQ(EvalJson::parse(same.out), json("r.json")) << format;
      const Outcome other =
          run(both({"eval", out, "--references", queries_, "--reference", "label"}, metrics));
      EXPECT_EQ(other.out, same.out) << other.err;
    }
}

TEST_F(Eval, EveryCommandOnRows) {
  const std::string rows = write(
      "rows.jsonl",
      "{\"text\":\"Once upon\",\"prompt\":\"a\",\"question\":\"who\",\"context\":\"the cat\","
      "\"label\":\"NEUTRAL\",\"reference\":\"a\",\"summary\":\"b\",\"translation\":\"c\","
      "\"answer\":\" b\",\"answers\":{\"text\":[\"cat\",\"the cat\"],\"answer_start\":[4]}}\n"
      "{\"text\":\"a time\",\"prompt\":\"b\",\"question\":\"what\",\"context\":\"a bird\","
      "\"label\":\"ENTAILMENT\",\"reference\":[\"x\",\"y\"],\"summary\":7,\"translation\":\"c\","
      "\"answer\":\"a\",\"answers\":[]}\n");
  const std::vector<std::pair<Words, std::string>> commands = {
      {{"generate", "-m", llama, "-n", "3"}, "rougeL"},
      {{"classify", "-m", fixture("bert-nli")}, "accuracy"},
      {{"zero-shot", "-m", fixture("bert-nli"), "--labels", "NEUTRAL,ENTAILMENT"}, "accuracy"},
      {{"qa", "-m", fixture("bert-answers")}, "exact_match"},
      {{"summarize", "-m", fixture("t5-v1_0"), "-n", "3"}, "rouge1"},
      {{"translate", "-m", fixture("marian-languages"), "--target-lang", "fra", "-n", "3"}, "bleu"},
      {{"score", "-m", llama, "--choices", " b,a"}, "accuracy"}};
  for (const auto& [command, metric] : commands) {
    const Words all = both(command, {"--input", rows, "--jsonl"});
    const Outcome result =
        run(both(all, {"--eval", metric + ",f1", "--eval-output", path("r.json"), "--force"}));
    ASSERT_EQ(result.exit_code, 0) << command[0] << result.err;
    EXPECT_EQ(result.out, run(all).out);
    const EvalJson report = json("r.json");
    EXPECT_EQ(report["rows"], 2) << command[0];
    EXPECT_TRUE(report.contains(metric)) << command[0];
    EXPECT_TRUE(report.contains(command[0] == "qa" ? "squad_f1" : "f1"));
  }
  // Of texts that are written as text, too.
  const Outcome text = run({"classify", "-m", fixture("bert-nli"), "--input", rows, "--format",
                            "text", "--top-k", "1", "--eval", "accuracy"});
  EXPECT_NE(text.err.find("accuracy"), std::string::npos) << text.err;
  EXPECT_EQ(text.out.find("accuracy"), std::string::npos);
}

TEST_F(Eval, RowsThatFailAndRowsWithoutReference) {
  const std::string rows = write("rows.jsonl",
                                 "{\"text\":\"Once\",\"label\":\"NEUTRAL\"}\n"
                                 "{\"text\":\"\",\"label\":\"NEUTRAL\"}\n"
                                 "{\"text\":\"a\",\"lable\":\"NEUTRAL\"}\n"
                                 "{\"text\":\"a\",\"label\":null}\n"
                                 "{\"text\":\"a\",\"label\":{\"a\":1}}\n");
  const Words all = {"classify", "-m",       fixture("bert-nli"), "--input",     rows,
                     "--eval",   "accuracy", "--eval-output",     path("r.json")};
  const Outcome result = run(both(all, {"--jsonl"}));
  EXPECT_EQ(result.exit_code, 5);
  const auto written = ordered_rows_of(result.out);
  ASSERT_EQ(written.size(), 5u);
  EXPECT_TRUE(written[0].contains("labels"));
  EXPECT_NE(written[2]["error"].get<std::string>().find(
                "rows.jsonl, line 3: the row has no \"label\"; did you mean \"lable\"?"),
            std::string::npos)
      << written[2];
  EXPECT_NE(written[3]["error"].get<std::string>().find("line 4: the reference \"label\" is null"),
            std::string::npos);
  EXPECT_NE(written[4]["error"].get<std::string>().find("got {\"a\":1}"), std::string::npos);
  EXPECT_EQ(json("r.json")["rows"], 1);
  EXPECT_EQ(json("r.json")["failed"], 4);
  EXPECT_NE(result.err.find("1 rows, and 4 that failed and do not count"), std::string::npos)
      << result.err;
  const Outcome strict = run(both(all, {"--jsonl", "--strict", "--force"}));
  EXPECT_EQ(strict.exit_code, 4) << strict.err;
}

// A run that was killed and goes on reports what a whole run reports.
TEST_F(Eval, GoesOnWithAStoppedRun) {
  std::string text;
  for (int i = 0; i < 1500; ++i)
    text += i % 17 == 3 ? "{\"text\":\n"
                        : "{\"id\":" + std::to_string(i) + ",\"text\":\"Once " + std::to_string(i) +
                              "\",\"label\":\"" + (i % 3 == 0 ? "good" : "bad") + "\"}\n";
  write("q.jsonl", text);
  for (const std::string format : {"jsonl", "csv"}) {
    const std::string out = path("out." + format);
    const Words all = few_shot({"--labels-from", "label", "--shots", "0,3", "-t", "1", "-o", out,
                                "--eval", "accuracy,bleu", "--eval-output", path("r.json")});
    EXPECT_EQ(run(all).exit_code, 5);
    const EvalJson whole = json("r.json");
    EXPECT_EQ(whole["failed"], 89);
    const std::string bytes = read_text(out);
    fs::remove(out);
    fs::remove(path("r.json"));
    bool killed = false;
    for (int ms = 20; !killed && ms < 1000; ms += 10) {
      Command stopped;
      stopped.arguments = both(all, {"--force"});
      stopped.kill_after_ms = ms;
      const bool ended = run(stopped).exit_code != 128 + SIGKILL;
      killed = !ended && fs::exists(out + ".partial") && fs::file_size(out + ".partial") > 0;
      if (ended) fs::remove(out);
      fs::remove(path("r.json"));
    }
    ASSERT_TRUE(killed);
    const Outcome resumed = run(both(all, {"--resume"}));
    EXPECT_EQ(resumed.exit_code, 5) << resumed.err;
    EXPECT_EQ(read_text(out), bytes);
    EXPECT_EQ(json("r.json"), whole) << format;
    fs::remove(out);
    fs::remove(path("r.json"));
  }
}

TEST_F(Eval, OfAnyFile) {
  const std::string rows =
      write("rows.csv", "id,guess,truth,kind\n1,The cat!,a cat,x\n2,dog,dog,y\n3,<bird>,fish,x\n");
  const Outcome table =
      run({"eval", rows, "--prediction", "guess", "--reference", "truth", "--metrics",
           "exact_match,accuracy", "--format", "text", "--resamples", "0"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_EQ(table.out.substr(0, table.out.find("\n\nref")),
            "3 rows\n\nmetric        value  95% interval\nexact_match  0.6667\naccuracy     0.3333")
      << table.out;
  const Outcome grouped =
      run({"eval", "--prediction", "guess", "--reference", "truth", "--by", "kind", "--metrics",
           "exact_match", "--row-scores", path("scores.jsonl"), "--plot", path("kinds.svg"),
           "--input-format", "csv"},
          read_text(rows));
  EXPECT_EQ(grouped.exit_code, 0) << grouped.err;
  const EvalJson report = EvalJson::parse(grouped.out);
  EXPECT_EQ(report["groups"][0]["kind"], "x");
  EXPECT_EQ(report["groups"][0]["exact_match"]["value"], 0.5);
  EXPECT_EQ(read_text(path("scores.jsonl")),
            "{\"id\":\"1\",\"kind\":\"x\",\"exact_match\":1.0}\n"
            "{\"id\":\"2\",\"kind\":\"y\",\"exact_match\":1.0}\n"
            "{\"id\":\"3\",\"kind\":\"x\",\"exact_match\":0.0}\n");
  expect_well_formed(read_text(path("kinds.svg")));
  const Outcome one = run({"eval", rows, "--prediction", "guess", "--reference", "truth", "--plot",
                           path("one.svg"), "-o", path("one.json")});
  EXPECT_EQ(one.exit_code, 0) << one.err;
  expect_well_formed(read_text(path("one.svg")));
  EXPECT_EQ(count_of(read_text(path("one.svg")), "<circle"), 1u);
  EXPECT_EQ(json("one.json")["rows"], 3);
  const Outcome squad =
      run({"eval", "-", "--reference", "gold.text", "--prediction", "answers.0.answer", "--metrics",
           "squad_f1,exact_match", "--json"},
          "{\"answers\":[{\"answer\":\"the cat\"}],\"gold\":{\"text\":[\"cat\",\"dog\"]}}\n"
          "{\"answers\":[{\"answer\":\"\"}],\"gold\":{\"text\":[]}}\n");
  EXPECT_EQ(EvalJson::parse(squad.out)["exact_match"]["value"], 1.0) << squad.err;
}

TEST_F(Eval, ManyGroupsStayReadable) {
  std::string rows = "guess,truth,kind\n";
  for (int i = 0; i < 60; ++i) rows += "a,a,<kind & \"" + std::to_string(i) + "\">\n";
  const Outcome result = run({"eval", write("rows.csv", rows), "--prediction", "guess",
                              "--reference", "truth", "--by", "kind", "--plot", path("p.svg")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::string picture = read_text(path("p.svg"));
  expect_well_formed(picture);
  EXPECT_EQ(count_of(picture, "<circle"), 60u);
  EXPECT_EQ(count_of(picture, "&lt;kind &amp; &quot;"), 20u);
  EXPECT_EQ(EvalJson::parse(result.out)["groups"].size(), 60u);
}

TEST_F(Eval, BadInput) {
  const std::string rows = write("rows.jsonl", "{\"id\":1,\"guess\":\"a\",\"truth\":\"a\"}\n");
  const Words eval = {"eval", rows, "--prediction", "guess", "--reference", "truth"};
  fails(both(eval, {"--metrics", "acuracy"}), 2, "did you mean \"accuracy\"?");
  fails({"eval", rows, "--prediction", "guess"}, 2, "--reference is required");
  fails({"eval", rows, "--reference", "truth"}, 2, "--prediction names it");
  fails({"eval", rows, "--reference", "trut", "--prediction", "guess"}, 4,
        "line 1: the row has no reference \"trut\"; did you mean \"truth\"?");
  fails({"eval", rows, "--reference", "truth", "--prediction", "gues"}, 4,
        "line 1: the row has no prediction \"gues\"; did you mean \"guess\"?");
  fails({"eval", "-", "--reference", "truth", "--prediction", "guess"}, 4,
        "line 2: the prediction \"guess\" must be a text or a number, got [1]",
        "{\"guess\":1,\"truth\":1}\n{\"guess\":[1],\"truth\":1}\n");
  fails({"eval", "-", "--reference", "r", "--prediction", "p"}, 4, "there are no rows", "\n");
  fails({"eval", "-", "--reference", "r", "--prediction", "p"}, 4, "line 1: ", "{\"p\":\n");
  fails({"eval", "-", "--reference", "r", "--prediction", "p", "--plot", path("p.svg")}, 4,
        "all of its 1 rows failed", "{\"error\":\"x\"}\n");
  fails({"eval", "-", "--reference", "r", "--prediction", "p", "--strict"}, 4, "line 1: the row",
        "{\"error\":\"x\"}\n");
  fails({"eval", "-", "--reference", "r", "--prediction", "p"}, 4,
        "line 2: the id 1 is that of line 1",
        "{\"id\":1,\"p\":1,\"r\":1}\n{\"id\":1,\"p\":1,\"r\":1}\n");
  fails(both(eval, {"--by", "shots"}), 4, "the row has no \"shots\"");
  fails(both(eval, {"--confidence", "1"}), 2, "confidence must lie between 0 and 1");
  fails(both(eval, {"--plot", path("p.png")}), 2, "name it FILE.svg");
  fails(both(eval, {"--plot", path("p.svg"), "-o", path("p.svg")}), 2, "given for two outputs");
  fails(both(eval, {"--row-scores", path("./s"), "-o", path("s")}), 2, "given for two outputs");
  const std::string there = write("there.svg", "as it was");
  fails(both(eval, {"--plot", there}), 2, "give --force");
  fails(both(eval, {"--plot", there, "--force", "--metrics", "f1", "--by", "none", "--references",
                    write("none.jsonl", "")}),
        4, "there are no rows in it");
  EXPECT_EQ(read_text(there), "as it was");
  fails(both(eval, {"--references", write("twice.jsonl",
                                          "{\"id\":1,\"truth\":1}\n{\"id\":\"1\","
                                          "\"truth\":1}\n")}),
        4, "twice.jsonl, line 2: the id \"1\" is that of");
  fails(both(eval, {"--references", write("other.jsonl", "{\"id\":2,\"truth\":1}\n")}), 4,
        "rows.jsonl, line 1: ");
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_EQ(entry.path().string().find("svg."), std::string::npos) << entry.path();
}

TEST_F(Eval, BadFlagsOfCommandsOnRows) {
  const Words generate = {"-m", llama, "-n", "2"};
  fails(both(generate, {"Once", "--eval", "accuracy"}), 2, "--eval needs rows with references");
  fails(both(generate, {"--lines", queries_, "--eval", "accuracy"}), 2, "--eval needs rows");
  fails(both(generate, {"--input", queries_, "--plot", path("p.svg")}), 2, "unknown option");
  fails(both(generate, {"--input", queries_, "--resamples", "3"}), 2,
        "--resamples is about --eval");
  fails(both(generate, {"--input", queries_, "--eval", "blue"}), 2, "did you mean \"bleu\"?");
  fails(both(generate, {"--input", queries_, "--eval", "bleu", "-o", path("o"), "--resume"}), 2,
        "which needs --jsonl");
  fails(both(generate, {"--input", queries_, "--eval", "bleu", "--eval-output", "-"}), 2,
        "given for two outputs");
  fails(few_shot({"--show-prompt", "--eval", "accuracy"}), 2, "--show-prompt gives prompts");
  fails(both(generate, {"--input", write("q.csv", "text\na\n"), "--eval", "bleu"}), 4,
        "there is no column \"reference\"");
  // Nothing that could be drawn: said at the end, and nothing is left behind.
  write("q.jsonl", "{\"id\":\"a\",\"label\":\"good\"}\n");
  const Outcome none =
      run(few_shot({"--jsonl", "-n", "2", "--eval", "accuracy", "--plot", path("none.svg")}));
  EXPECT_EQ(none.exit_code, 4) << none.err;
  EXPECT_NE(none.err.find("there is nothing to draw"), std::string::npos) << none.err;
  EXPECT_FALSE(fs::exists(path("none.svg")));
}

}  // namespace
}  // namespace llm::test::cli_eval
