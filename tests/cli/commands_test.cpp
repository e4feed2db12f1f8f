// The other commands: few-shot, tokenize, detokenize, info, verify, version, and the help of all.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_commands {
namespace {

namespace fs = std::filesystem;
using detail::Json;

const std::string sentiment = std::string(LLM_SOURCE_DIR) + "/examples/sentiment/";

TEST(Help, IsDataOnStandardOutput) {
  const Outcome all = run({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(all.err, "");
  for (const char* command :
       {"generate", "few-shot", "tokenize", "detokenize", "info", "verify", "version"}) {
    EXPECT_NE(all.out.find("\n  " + std::string(command) + " "), std::string::npos) << command;
    const Outcome help = run({command, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_NE(help.out.find("Usage: llm-generate " + std::string(command)), std::string::npos);
  }
  EXPECT_EQ(run({"version"}).out, run({"--version"}).out);
  EXPECT_TRUE(run({"version"}).out.starts_with("llm-generate "));
}

TEST(FewShot, ShowsThePrompt) {
  const Outcome result =
      run({"few-shot", "--template", sentiment + "template.json", "--examples",
           sentiment + "examples.jsonl", "--shots", "1", "--query", "Fine.", "--show-prompt"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "Is the review positive or negative?\n\n"
            "Review: I laughed from the first minute to the last.\nAnswer: positive\n\n"
            "Review: Fine.\nAnswer:\n");
}

TEST(FewShot, IsGenerateWithThatPromptAndStops) {
  const std::vector<std::string> query = {"few-shot",
                                          "-m",
                                          llama,
                                          "--template",
                                          sentiment + "template.json",
                                          "--examples",
                                          sentiment + "examples.jsonl",
                                          "--shots",
                                          "1",
                                          "-n",
                                          "8",
                                          "--query",
                                          "Fine."};
  auto show = query;
  show.emplace_back("--show-prompt");
  std::string prompt = run(show).out;
  prompt.pop_back();
  const Outcome expected = run({"-m", llama, "-n", "8", "--stop", "\\n", prompt});
  EXPECT_EQ(run(query).out, expected.out);
  EXPECT_EQ(expected.exit_code, 0) << expected.err;
}

TEST(FewShot, RowsOfQueries) {
  const Outcome result = run({"few-shot", "-m", llama, "--template", sentiment + "template.json",
                              "--examples", sentiment + "examples.jsonl", "--shots", "1", "-n", "4",
                              "--input", sentiment + "queries.jsonl", "--jsonl"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::istringstream lines(result.out);
  std::string ids;
  for (std::string line; std::getline(lines, line);) ids += Json::parse(line)["id"];
  EXPECT_EQ(ids, "abc");
}

TEST(FewShot, SaysWhatIsWrong) {
  const TempDir folder;
  const auto expect = [](const std::vector<std::string>& arguments, int code,
                         const std::string& part) {
    const Outcome result = run(arguments);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  };
  const std::string two = folder.write("two.json", R"({"query":"{{a}} {{b}}"})").string();
  const std::string open = folder.write("open.json", R"({"query":"{{a"})").string();
  const std::string rows = folder.write("rows.jsonl", "{\"a\":\"x\"}\n").string();
  expect({"few-shot", "-m", llama, "--query", "x"}, 2, "--template");
  expect({"few-shot", "-m", llama, "--template", two}, 2, "--query TEXT or --input");
  expect({"few-shot", "-m", llama, "--template", two, "--query", "x"}, 2, "there are 2");
  expect({"few-shot", "-m", llama, "--template", two, "--input", rows, "--strict"}, 4,
         "the field \"b\" is not in " + rows + ", line 1");
  expect({"few-shot", "-m", llama, "--template", two, "--shots", "1", "--query", "x"}, 2,
         "--shots needs --examples");
  expect({"few-shot", "-m", llama, "--template", open, "--query", "x"}, 4, "is never closed");
  expect({"few-shot", "-m", llama, "--template", "/no.json", "--query", "x"}, 4, "/no.json");
  const Outcome set =
      run({"few-shot", "--template", two, "--set", "a=1", "--query", "x", "--show-prompt"});
  EXPECT_EQ(set.out, "1 x\n") << set.err;
}

TEST(Tokenize, TextAndRows) {
  for (const char* name : {"llama-gqa", "gpt2-inner", "t5-v1_0", "llama-rope-llama3"}) {
    const std::string model = fixture(name);
    const std::string text = "Once upon a time, é";
    const Outcome ids = run({"tokenize", "-m", model, text});
    ASSERT_EQ(ids.exit_code, 0) << ids.err;
    const Outcome rows = run({"tokenize", "-m", model, "--input", "-", "--jsonl"},
                             Json{{"id", 5}, {"text", text}}.dump() + "\n");
    const Json row = Json::parse(rows.out);
    EXPECT_EQ(row["id"], 5);
    EXPECT_EQ(row["ids"].size(), row["tokens"].size());
    EXPECT_EQ(row["ids"].size(), row["offsets"].size());
    std::string joined;
    for (const Json& id : row["ids"]) joined.append(joined.empty() ? "" : " ").append(id.dump());
    EXPECT_EQ(ids.out, joined + "\n");
    EXPECT_EQ(run({"tokenize", "-m", model}, text + "\n").out, ids.out);

    const std::string plain = run({"tokenize", "-m", model, "--no-special-tokens", text}).out;
    const Outcome back = run({"detokenize", "-m", model, plain});
    EXPECT_EQ(back.exit_code, 0) << back.err;
    const Outcome back_rows = run({"detokenize", "-m", model, "--input", "-", "--jsonl"}, rows.out);
    EXPECT_EQ(Json::parse(back_rows.out),
              (Json{{"id", 5}, {"text", back.out.substr(0, back.out.size() - 1)}}));
  }
}

TEST(Tokenize, WorksOnTokenizerFilesAlone) {
  const TempDir folder;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy_file(fixture("gpt2-inner") + "/" + name, folder.path() / name);
  const std::string expected = run({"tokenize", "-m", fixture("gpt2-inner"), "Once"}).out;
  EXPECT_EQ(run({"tokenize", "-m", folder.path().string(), "Once"}).out, expected);
  EXPECT_FALSE(expected.empty());
}

TEST(Tokenize, SaysWhatIsWrong) {
  const Outcome bytes = run({"tokenize", "-m", llama, "--lines", "-"}, "fine\n\xff\n");
  EXPECT_EQ(bytes.exit_code, 5);
  EXPECT_NE(bytes.err.find("standard input, line 2"), std::string::npos) << bytes.err;
  const Outcome number = run({"detokenize", "-m", llama, "1 x2"});
  EXPECT_EQ(number.exit_code, 4);
  EXPECT_NE(number.err.find("\"x2\" is not a token id"), std::string::npos) << number.err;
  EXPECT_EQ(run({"detokenize", "-m", llama, "--input", "-"}, "{\"text\":\"a\"}\n").exit_code, 5);
  EXPECT_EQ(run({"tokenize", "-m", llama, "--input", "-"}, "{\"ids\":[1]}\n").exit_code, 5);
}

TEST(Info, TextAndJson) {
  const Outcome text = run({"info", llama});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("model_type: llama\n"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("decoder.key_value_heads: 2\n"), std::string::npos) << text.out;
  const Json json = Json::parse(run({"info", "--json", "-m", fixture("t5-v1_0")}).out);
  EXPECT_EQ(json["kind"], "encoder-decoder");
  EXPECT_TRUE(json["encoder"]["max_positions"].is_null());
  EXPECT_GT(json["weights"]["values"], 1000);
  const Json none = Json::parse(run({"info", "--json", fixture("llama-untied")}).out);
  EXPECT_TRUE(none["tokenizer"].is_null());
}

TEST(Verify, PassesAndFails) {
  const Outcome good = run({"verify", llama, "--json"});
  EXPECT_EQ(good.exit_code, 0) << good.err;
  const Json report = Json::parse(good.out);
  EXPECT_EQ(report["ok"], true);
  EXPECT_EQ(report["dtype"], "f64");
  EXPECT_EQ(report["tolerance"], 1e-9);
  EXPECT_EQ(report["reference"], "reference.safetensors");
  EXPECT_GT(report["taps"].size(), 3u);
  EXPECT_EQ(report["texts"]["wrong"], 0);
  EXPECT_NE(run({"verify", llama, "--dtype", "f32"}).out.find("\nok: f32"), std::string::npos);
  // Another model's reference of the same shape.
  const Outcome other = run({"verify", fixture("llama-tied"), "--reference",
                             fixture("llama-untied") + "/reference.safetensors"});
  EXPECT_NE(other.exit_code, 0);
  EXPECT_EQ(run({"verify", llama, "--reference", "/no/file"}).exit_code, 3);
  EXPECT_EQ(run({"verify", llama, "--dtype", "f31"}).exit_code, 2);
}

TEST(Verify, ComparesOverAText) {
  const std::string text = "Once upon a time there was a little cat. It said hello.";
  const Outcome json =
      run({"verify", fixture("gguf-llama-q8_0"), "--text", "-", "--dtype", "int4", "--json"}, text);
  EXPECT_EQ(json.exit_code, 0) << json.err;
  const Json report = Json::parse(json.out);
  EXPECT_EQ(report["dtype"], "int4");
  EXPECT_GT(report["predictions"], 10);
  EXPECT_GT(report["mean_kl"], 0.0);
  const Outcome plain =
      run({"verify", llama, "--text", "-", "--exact", "f64", "--against", llama}, text);
  EXPECT_NE(plain.out.find("top token equal: 100.00 %"), std::string::npos) << plain.out;
  EXPECT_EQ(run({"verify", llama, "--text", "-", "--window", "1"}, text).exit_code, 2);
  EXPECT_EQ(run({"verify", llama, "--text", "-", "--dtype", "f64"}, text).exit_code, 2);
  EXPECT_EQ(run({"verify", fixture("t5-v1_1"), "--text", "-"}, "no tab\n").exit_code, 4);
  EXPECT_EQ(run({"verify", fixture("bert-model"), "--text", "-"}, text).exit_code, 3);
}

TEST(Verify, DumpsWhatWasComputed) {
  const TempDir folder;
  const std::string file = (folder.path() / "dump.safetensors").string();
  EXPECT_EQ(run({"verify", llama, "--dump", file}).exit_code, 0);
  EXPECT_GT(fs::file_size(file), 1000u);
}

TEST(Pack, AnswersAsTheModelDoes) {
  const TempDir dir;
  const std::string model = fixture("llama-gqa"), packed = (dir.path() / "packed").string();
  ASSERT_EQ(run({"pack", model, "-o", packed}).exit_code, 0);
  const auto answer = [](const std::string& name) {
    return run({"-m", name, "--max-new-tokens", "8", "--json", "Once upon a time"}).out;
  };
  EXPECT_EQ(answer(packed), answer(model));
  EXPECT_NE(run({"info", packed}).out.find("tokenizer"), std::string::npos);
  EXPECT_EQ(run({"pack", model, "-o", packed}).exit_code, 2);  // it is there already
  EXPECT_EQ(run({"pack", model}).exit_code, 2);
  EXPECT_EQ(run({"pack", model, "--dtype", "f64", "-o", packed + "2"}).exit_code, 2);
  EXPECT_EQ(run({"pack", packed, "-o", packed + "3"}).exit_code, 3);
}

}  // namespace
}  // namespace llm::test::cli_commands
