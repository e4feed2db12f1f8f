// llm-bench: each bench prints its lines, with all fields, and says what is wrong with its options.
// Speed itself is not tested.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "llm/weights/weight_store.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_bench {
namespace {

using detail::Json;

Outcome bench(std::vector<std::string> arguments) {
  Command command;
  command.program = LLM_BENCH;
  command.arguments = std::move(arguments);
  return run(command);
}

// The lines of a run that must succeed.
std::vector<Json> figures(std::vector<std::string> arguments) {
  const Outcome result = bench(std::move(arguments));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  std::vector<Json> lines;
  std::istringstream text(result.out);
  for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
  for (const Json& line : lines) {
    for (const char* field : {"bench", "model", "dtype", "unit", "isa"})
      EXPECT_TRUE(line.at(field).is_string()) << line.dump();
    EXPECT_GT(line.at("min"), 0) << line.dump();
    EXPECT_LE(line["min"], line.at("value")) << line.dump();
    EXPECT_LE(line["value"], line.at("max")) << line.dump();
    EXPECT_GE(line.at("n"), 1) << line.dump();
    EXPECT_GE(line.at("threads"), 1) << line.dump();
  }
  return lines;
}

std::set<std::string> names(const std::vector<Json>& lines) {
  std::set<std::string> result;
  for (const Json& line : lines) result.insert(line["bench"].get<std::string>());
  return result;
}

void expect_failure(std::vector<std::string> arguments, const std::string& part) {
  const Outcome result = bench(std::move(arguments));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("llm-bench: error: ")) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos)
      << "expected \"" << part << "\" in: " << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST(Bench, WhatSuitsEachKindOfModel) {
  const TempDir shapes;
  const auto of = [&](const char* shape) {
    return names(figures({"--shape", shape, "--shape-dir", shapes.path().string(), "--repeat", "1",
                          "--prompt-tokens", "5", "--new-tokens", "3", "-t", "1"}));
  };
  EXPECT_EQ(of("tiny-llama"),
            (std::set<std::string>{"memory", "load", "load-first", "prefill", "decode"}));
  EXPECT_EQ(of("tiny-bert"), (std::set<std::string>{"memory", "load", "load-first", "encode"}));
  EXPECT_EQ(of("tiny-t5"), (std::set<std::string>{"memory", "load", "load-first", "encode",
                                                  "seq2seq-first", "seq2seq"}));
}

TEST(Bench, ListsRunEachSetting) {
  const TempDir shapes;
  const std::vector<Json> lines =
      figures({"decode", "--shape", "tiny-llama", "--shape-dir", shapes.path().string(), "--dtype",
               "f32,bf16,int8,int8-channel,int4,f64", "-t", "1,2", "--repeat", "2",
               "--prompt-tokens", "5", "--new-tokens", "3", "--batch", "2"});
  ASSERT_EQ(lines.size(), 12u);
  EXPECT_EQ(lines[0]["dtype"], "f32");
  EXPECT_EQ(lines[1]["threads"], 2);
  EXPECT_EQ(lines[11]["dtype"], "f64");
  for (const Json& line : lines) {
    EXPECT_EQ(line["model"], "tiny-llama");
    EXPECT_EQ(line["unit"], "tokens/s");
    EXPECT_EQ(line["n"], 2);
    EXPECT_EQ(line["batch"], 2);
    EXPECT_EQ(line["new_tokens"], 3);
  }
}

// One scale per output: all matrices of an encoder, and those of a decoder that make no queries,
// keys, values or logits.
TEST(Bench, ShapesArePackedWithOneScalePerOutput) {
  const TempDir folder;
  for (const bool encoder : {true, false}) {
    const std::string shape = encoder ? "tiny-bert" : "tiny-llama";
    figures({"load", "--shape", shape, "--shape-dir", folder.path().string(), "--repeat", "1"});
    const std::string packed = folder.path() / (shape + "-packed");
    const std::string model = folder.path() / (shape + (encoder ? "-f32" : "-bf16"));
    const Outcome result = run({"pack", model, "--dtype", "int8-channel", "-o", packed});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto store = WeightStore::open(std::filesystem::path(packed) / "packed.safetensors");
    const std::string& parts = store->metadata().at("parts");
    EXPECT_NE(parts.find("q8_channel"), std::string::npos) << parts;
    EXPECT_EQ(parts.find("q8_0") == std::string::npos, encoder) << parts;
  }
}

TEST(Bench, Beams) {
  const TempDir shapes;
  const std::vector<Json> lines =
      figures({"seq2seq", "--shape", "tiny-t5", "--shape-dir", shapes.path().string(), "--beams",
               "1,3", "-t", "1", "--repeat", "1", "--prompt-tokens", "5", "--new-tokens", "3"});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1]["beams"], 1);
  EXPECT_EQ(lines[3]["beams"], 3);
  EXPECT_EQ(lines[3]["source_tokens"], 5);
}

TEST(Bench, LengthsOfAFile) {
  const TempDir folder;
  const auto lengths = folder.write("lengths.json", "[3, 7, [1, 2, 3, 4]]").string();
  const std::vector<Json> lines =
      figures({"encode", "-m", fixture("bert-model"), "--lengths", lengths, "--repeat", "1"});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["unit"], "tokens/s");
  EXPECT_EQ(lines[1]["unit"], "texts/s");
  EXPECT_EQ(lines[1]["texts"], 3);
  EXPECT_EQ(lines[1]["tokens"], 14);
}

TEST(Bench, ClassifiersAndGguf) {
  EXPECT_EQ(figures({"encode", "-m", fixture("bart-classifier"), "--repeat", "1"}).size(), 2u);
  EXPECT_EQ(figures({"prefill", "-m", fixture("gguf-llama-q4_0"), "--repeat", "1",
                     "--prompt-tokens", "9"})
                .size(),
            1u);
}

TEST(Bench, Products) {
  const std::vector<Json> lines =
      figures({"matmul", "--product", "256x64x1", "--product", "64x64x20", "--dtype", "int8",
               "--fast", "--repeat", "1"});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["unit"], "GFLOP/s");
  EXPECT_EQ(lines[1]["rows"], 20);
  EXPECT_EQ(lines[1]["fast"], true);
}

TEST(Bench, ShapesAreWrittenOnce) {
  const TempDir shapes;
  const std::vector<std::string> arguments = {
      "load",     "--shape", "tiny-llama",    "--shape-dir", shapes.path().string(),
      "--repeat", "1",       "--shape-dtype", "f32"};
  figures(arguments);
  const auto file = shapes.path() / "tiny-llama-f32" / "model.safetensors";
  const auto written = std::filesystem::last_write_time(file);
  figures(arguments);
  EXPECT_EQ(std::filesystem::last_write_time(file), written);
}

TEST(Bench, OptionsThatAreWrong) {
  const TempDir folder;
  const std::string llama = fixture("llama-gqa"), bert = fixture("bert-model");
  expect_failure({}, "no model is given");
  expect_failure({"decde", "-m", llama}, "decde");
  expect_failure({"-m", llama, "--shape", "tiny-llama"}, "exclude each other");
  expect_failure({"--shape", "tiny-lama"}, "tiny-lama");
  expect_failure({"--shape", "tiny-llama", "--shape-dtype", "f16"}, "--shape-dtype");
  expect_failure({"-m", llama, "--dtype", "f32,int3"}, "\"int3\" does not exist");
  expect_failure({"-m", llama, "-t", "1,x"}, "--threads");
  expect_failure({"-m", llama, "--repeat", "0"}, "--repeat");
  expect_failure({"-m", "no/such-model"}, "there is no model");
  expect_failure({"decode", "-m", bert}, "is none; expected one of");
  expect_failure({"seq2seq", "-m", llama}, "is none; expected one of");
  expect_failure({"prefill", "-m", llama, "--prompt-tokens", "300"}, "the model holds 256");
  expect_failure({"matmul", "--product", "4x4"}, "OUTPUTSxINPUTSxROWS");
  expect_failure({"encode", "-m", bert, "--lengths", "/no/such/file"}, "cannot be read");
  for (const char* text : {"3", "[]", "[0]", "[-1]", "[\"a\"]", "[[]]", "[99999999999]", "["}) {
    const auto file = folder.write("lengths.json", text).string();
    expect_failure({"encode", "-m", bert, "--lengths", file}, "lengths.json");
  }
}

TEST(ComparePeers, NamesWhatIsMissing) {
  Command command;
  command.program = "/usr/bin/python3";
  if (!std::filesystem::exists(command.program)) GTEST_SKIP() << "needs python3";
  const TempDir folder;
  const std::string empty = folder.path().string();
  command.arguments = {std::string(LLM_SOURCE_DIR) + "/tools/compare_peers.py",
                       empty,
                       "--work",
                       empty + "/work",
                       "--bench",
                       LLM_BENCH};
  const Outcome result = run(command);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"smollm: left out: the SmolLM2 model", "bert: left out: --scripts"})
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  command.arguments[1] = "/no/such/folder";
  EXPECT_NE(run(command).err.find("the folder of peers (/no/such/folder) is missing"),
            std::string::npos);
  command.arguments.insert(command.arguments.end(), {"--only", "smolm"});
  EXPECT_NE(run(command).err.find("there is no smolm"), std::string::npos);
}

}  // namespace
}  // namespace llm::test::cli_bench
