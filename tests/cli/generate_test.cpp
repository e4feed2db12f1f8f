// llm-generate generate: what it prints for every kind of input and output.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "llm/weights/weight_store.hpp"
#include "support/json_rows.hpp"
#include "support/read_text.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_generate {
namespace {

using detail::Json;

const std::string no_tokenizer = fixture("llama-untied");

TEST(Generate, TextIsTheSameStreamedOrNotAndInJson) {
  const Outcome streamed = run({"-m", llama, "-n", "12", "Once upon a time"});
  ASSERT_EQ(streamed.exit_code, 0) << streamed.err;
  EXPECT_EQ(streamed.err, "");
  EXPECT_TRUE(streamed.out.ends_with('\n'));
  const Outcome whole =
      run({"generate", "-m", llama, "--max_new_tokens", "12", "--no-stream", "Once upon a time"});
  EXPECT_EQ(whole.out, streamed.out);
  const Outcome json =
      run({"-m", llama, "--max-new-tokens=12", "--json", "-p", "Once upon a time"});
  const Json row = Json::parse(json.out);
  EXPECT_EQ(row["text"].get<std::string>() + "\n", streamed.out);
  EXPECT_EQ(row["id"], "1");
  EXPECT_EQ(row["new_tokens"], row["new_ids"].size());
  EXPECT_GT(row["prompt_tokens"], 0);
  EXPECT_FALSE(row.contains("sample"));
  EXPECT_TRUE(row["logprob"].is_number());
}

TEST(Generate, PipeIsThePromptAndComesBeforeTheArgument) {
  const std::vector<std::string> echo = {"-m", llama, "-n", "1", "--echo"};
  EXPECT_TRUE(run(echo, "Once upon\n").out.starts_with("Once upon"));
  EXPECT_FALSE(run(echo, "Once upon\n").out.starts_with("Once upon\n"));
  const Outcome both = run({"-m", llama, "-n", "1", "--echo", "a time"}, "Once upon\n");
  EXPECT_TRUE(both.out.starts_with("Once upon\na time")) << both.out;
}

TEST(Generate, FileAndLinesAndRowsGiveTheSame) {
  const TempDir folder;
  const std::string file = folder.write("prompt.txt", "Once upon\n").string();
  const std::string lines = folder.write("lines.txt", "Once upon\na time\n").string();
  const std::string rows =
      folder.write("rows.jsonl", "{\"id\":7,\"q\":\"Once upon\"}\n\n{\"q\":\"a time\"}\n").string();
  const Outcome one = run({"-m", llama, "-n", "6", "-f", file});
  EXPECT_EQ(one.out, run({"-m", llama, "-n", "6", "Once upon"}).out);
  const auto from_lines = rows_of(run({"-m", llama, "-n", "6", "--lines", lines, "--jsonl"}).out);
  const auto from_rows =
      rows_of(run({"-m", llama, "-n", "6", "--input", rows, "--field", "q", "--jsonl"}).out);
  ASSERT_EQ(from_lines.size(), 2u);
  ASSERT_EQ(from_rows.size(), 2u);
  EXPECT_EQ(from_lines[0]["id"], "1");
  EXPECT_EQ(from_rows[0]["id"], 7);
  EXPECT_EQ(from_rows[1]["id"], "3");  // the line's number
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(from_lines[i]["new_ids"], from_rows[i]["new_ids"]);
  EXPECT_EQ(from_lines[0]["text"].get<std::string>() + "\n", one.out);
}

TEST(Generate, IdsNeedNoTokenizer) {
  const Outcome result = run({"-m", no_tokenizer, "-n", "4", "--input", "-", "--jsonl"},
                             "{\"id\":\"a\",\"ids\":[1,5,9]}\n{\"id\":\"b\",\"text\":\"x\"}\n");
  EXPECT_EQ(result.exit_code, 5);
  const auto rows = rows_of(result.out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["new_ids"].size(), 4u);
  EXPECT_EQ(rows[0]["prompt_tokens"], 3);
  EXPECT_EQ(rows[0]["text"], "");
  EXPECT_NE(rows[1]["error"].get<std::string>().find("has no tokenizer"), std::string::npos);
  EXPECT_EQ(result.err, "llm-generate: 1 of 2 rows failed\n");
}

// The ids of the reference's own run, through the command.
TEST(Generate, GivesTheReferencesIds) {
  for (const char* name : {"llama-untied", "gpt2-scaled", "t5-depths"}) {
    const auto store = WeightStore::open(fixture(name) + "/reference.safetensors");
    const Json header = Json::parse(store->metadata().at("llm-reference"));
    const auto tensor = [&](const std::string& key) {
      const FileTensor* const found = store->find(key);
      std::vector<std::int64_t> values(found->bytes.size() / 8);
      std::memcpy(values.data(), found->bytes.data(), found->bytes.size());
      return values;
    };
    int checked = 0;
    for (const Json& generation : header["generations"]) {
      const Json options = generation["options"];
      if (options.value("num_return_sequences", 1) != 1) continue;
      const std::string key = generation["name"];
      std::vector<std::string> arguments = {"-m",      fixture(name), "--dtype", "f64",
                                            "--input", "-",           "--jsonl"};
      for (const auto& [option, value] : options.items()) {
        arguments.push_back("--" + option + "=" + value.dump());
      }
      const auto prompt = tensor(key + ".input_ids");
      const Outcome result = run(arguments, Json{{"ids", prompt}}.dump() + "\n");
      ASSERT_EQ(result.exit_code, 0) << result.err;
      std::vector<std::int64_t> expected = tensor(key + ".sequences");
      const bool decoder = std::string(name).find("t5") == std::string::npos;
      expected.erase(expected.begin(),
                     expected.begin() + (decoder ? static_cast<long>(prompt.size()) : 1));
      EXPECT_EQ(Json::parse(result.out)["new_ids"], Json(expected)) << name << " " << options;
      ++checked;
    }
    EXPECT_GT(checked, 0) << name;
  }
}

TEST(Generate, SeveralSequencesAreSeveralRows) {
  const Outcome result = run({"-m", gpt2, "-n", "5", "--num-return-sequences", "3", "--top-k", "20",
                              "--seed", "4", "--jsonl", "Once"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto rows = rows_of(result.out);
  ASSERT_EQ(rows.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rows[i]["sample"], i);
    EXPECT_EQ(rows[i]["seed"], 4);
  }
  const Outcome list = run({"-m", gpt2, "-n", "5", "--num-return-sequences", "3", "--top-k", "20",
                            "-s", "4", "--json", "Once"});
  EXPECT_EQ(Json::parse(list.out), Json(rows));
}

TEST(Generate, SamplingIsTurnedOnAndItsSeedGivesTheSameAgain) {
  const Json first = Json::parse(run({"-m", gpt2, "--temp", "1.5", "--json", "Once"}).out);
  const std::string seed = first["seed"].dump();
  EXPECT_NE(seed, "0");
  for (const std::vector<std::string>& on :
       {std::vector<std::string>{"--do-sample"}, std::vector<std::string>{"--do_sample", "true"},
        std::vector<std::string>{"--do-sample=true", "--early-stopping", "false"}}) {
    std::vector<std::string> arguments = {"-m", gpt2, "--json", "-n", "2"};
    arguments.insert(arguments.end(), on.begin(), on.end());
    arguments.emplace_back("Once");
    const Outcome result = run(arguments);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    EXPECT_NE(Json::parse(result.out)["seed"], 0);
  }
  const Json again =
      Json::parse(run({"-m", gpt2, "--temperature=1.5", "--seed", seed, "--json", "Once"}).out);
  EXPECT_EQ(again, first);
  const Outcome greedy = run({"-m", gpt2, "-n", "9", "--temp", "0", "Once"});
  EXPECT_EQ(greedy.out, run({"-m", gpt2, "-n", "9", "Once"}).out) << greedy.err;
}

TEST(Generate, StopsAtStringsAndTokens) {
  const Json plain = Json::parse(run({"-m", llama, "-n", "12", "--json", "Once upon"}).out);
  const std::string text = plain["text"];
  const auto letter = std::find_if(text.begin() + 1, text.end(),
                                   [](unsigned char c) { return c > ' ' && c < 0x7f; });
  ASSERT_NE(letter, text.end()) << text;
  const std::string stop(1, *letter);
  const Json stopped =
      Json::parse(run({"-m", llama, "-n", "12", "--json", "--stop", stop, "Once upon"}).out);
  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_EQ(stopped["stop"], stop);
  EXPECT_EQ(stopped["text"], text.substr(0, text.find(stop)));
  const std::string token = plain["new_ids"][2].dump();
  const Json by_token =
      Json::parse(run({"-m", llama, "-n", "12", "--json", "--stop-token", token, "Once upon"}).out);
  EXPECT_EQ(by_token["finish_reason"], "stop");
  EXPECT_EQ(by_token["new_ids"].back(), plain["new_ids"][2]);
}

// Stops that the text has, and beginnings of them that it has, with characters that are cut at any
// place: a byte-level vocabulary of an untrained model.
TEST(Generate, StreamsNoMoreThanTheTextUpToAStop) {
  std::mt19937 random(1);
  const auto command = [](int seed, std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "-m", gpt2, "-n", "20", "--do-sample", "-s", std::to_string(seed), "Once upon"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments).out;
  };
  int stopped = 0;
  for (int seed = 0; seed < 12; ++seed) {
    const std::string text = Json::parse(command(seed, {"--json"}))["text"];
    if (text.find_first_of(std::string("\\\0", 2)) != std::string::npos) continue;  // not in a flag
    std::vector<std::string> stops;
    for (const char* const end : {"", "", "?", "\xEF\xBF\xBD"}) {
      std::size_t at = random() % text.size(), size = 1 + random() % 9;
      while (at > 0 && (text[at] & 0xC0) == 0x80) --at;
      while (at + size < text.size() && (text[at + size] & 0xC0) == 0x80) ++size;
      stops.push_back("--stop=" + text.substr(at, size) + end);
    }
    const std::string streamed = command(seed, stops);
    stops.emplace_back("--json");
    const Json row = Json::parse(command(seed, stops));
    EXPECT_EQ(streamed, row["text"].get<std::string>() + "\n") << seed;
    EXPECT_TRUE(text.starts_with(row["text"].get<std::string>()));
    stopped += !row["stop"].is_null();
    stops.back() = "--echo";
    EXPECT_EQ(command(seed, stops), "Once upon" + streamed);
  }
  EXPECT_GT(stopped, 5);
  expect_failure({"-m", gpt2, "--stop", "\xff", "Once"}, 2, "UTF-8");
}

// What the model's generation_config.json says, and whose fault it is.
TEST(Generate, KeysOfGenerationConfig) {
  const TempDir folder;
  for (const auto& entry : std::filesystem::directory_iterator(llama))
    if (entry.path().filename() != "generation_config.json")
      std::filesystem::create_symlink(entry.path(), folder.path() / entry.path().filename());
  const std::string model = folder.path().string();
  const std::vector<std::string> command = {"-m", model, "-n", "4", "Once"};
  const auto with = [&](const std::string& text) {
    folder.write("generation_config.json", text);
    return run(command);
  };
  const std::string text = with("{}").out;
  const Outcome unknown = with(R"({"key_of_next_year": 1, "max_window_size": null})");
  EXPECT_EQ(unknown.exit_code, 0);
  EXPECT_EQ(unknown.out, text);
  EXPECT_EQ(unknown.err, "llm-generate: warning: " + model +
                             "/generation_config.json: \"key_of_next_year\" is not a generation "
                             "option that is known here, and is ignored\n");
  EXPECT_EQ(run({"score", "-m", model, "--choices", "a,b", "Once"}).exit_code, 0);
  with(R"({"epsilon_cutoff": 0.1})");
  expect_failure(command, 3, "\"epsilon_cutoff\" is set to \"0.1\" and is not supported");
  with(R"({"top_p": 2})");
  expect_failure(command, 3, "\"top_p\"");
  expect_failure({"-m", model, "-n", "4", "--top-p", "3", "Once"}, 2, "\"top_p\" (flag)");
  with(R"({"suppress_tokens": "many"})");
  expect_failure(command, 3, "\"suppress_tokens\"");
  std::filesystem::remove(folder.path() / "generation_config.json");
  std::filesystem::create_symlink("generation_config.json",
                                  folder.path() / "generation_config.json");
  expect_failure(command, 3, "generation_config.json");
}

TEST(Generate, ALimitOfTimeIsToldOf) {
  const TempDir folder;
  const std::string rows = folder.write("rows.txt", "Once\nupon\n").string();
  const std::vector<std::string> beams = {"--num-beams", "3", "--eos-token-id", "3,4,5,6,7,8"};
  for (const std::vector<std::string>& more : {std::vector<std::string>(), beams}) {
    std::vector<std::string> arguments = {"-m",         llama, "--lines", rows,
                                          "--max-time", "0",   "--jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome result = run(arguments);
    EXPECT_EQ(result.exit_code, 7);
    EXPECT_NE(result.err.find("2 of 2 results ended at their limit of time"), std::string::npos);
    for (const Json& row : rows_of(result.out)) EXPECT_EQ(row["finish_reason"], "time");
  }
}

TEST(Generate, EncoderDecoderTransforms) {
  const Json row = Json::parse(run({"-m", t5, "-n", "7", "--json", "Once upon a time"}).out);
  EXPECT_LE(row["new_tokens"], 7);
  EXPECT_GT(row["prompt_tokens"], 1);
}

TEST(Generate, LogprobsAndExplain) {
  const Outcome result =
      run({"-m", gpt2, "-n", "3", "--json", "--logprobs", "2", "--explain", "Once"});
  const Json row = Json::parse(result.out);
  ASSERT_EQ(row["logprobs"].size(), 3u);
  EXPECT_EQ(row["logprobs"][0]["top"].size(), 2u);
  EXPECT_EQ(row["logprobs"][0]["top"][0]["id"], row["new_ids"][0]);
  EXPECT_NE(result.err.find("row 1, sample 0, token 1  logits: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("end: length"), std::string::npos) << result.err;
}

TEST(Generate, VerboseSaysWhereValuesComeFrom) {
  Command command;
  command.arguments = {"-v", "-n", "2", "--top_p=0.9", "Once"};
  command.environment["LLM_GENERATE_MODEL"] = llama;
  const Outcome result = run(command);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* expected :
       {"(LLM_GENERATE_MODEL)", "max_new_tokens = 2 (flag)", "top_p = 0.9 (flag)",
        "do_sample = true (implied by top_p)", "generation_config.json)", "num_beams = 1 (default)",
        "seed = ", "new tokens/s"}) {
    EXPECT_NE(result.err.find(expected), std::string::npos) << expected << "\n" << result.err;
  }
  const Outcome quiet = run({"-q", "-m", llama, "-n", "2", "Once"});
  EXPECT_EQ(quiet.err, "");
}

TEST(Generate, WritesFilesWholeAndOnlyWithForceOverOthers) {
  const TempDir folder;
  const std::string file = (folder.path() / "out.txt").string();
  const std::vector<std::string> command = {"-m", llama, "-n", "4", "-o", file, "Once"};
  EXPECT_EQ(run(command).exit_code, 0);
  const std::string text = read_text(file);
  EXPECT_EQ(text, run({"-m", llama, "-n", "4", "Once"}).out);
  const Outcome again = run(command);
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_NE(again.err.find("exists; give --force"), std::string::npos);
  folder.write("out.txt", "old");
  auto forced = command;
  forced.insert(forced.begin(), "--force");
  EXPECT_EQ(run(forced).exit_code, 0);
  EXPECT_EQ(read_text(file), text);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(Generate, InterruptFlushesAndEndsWith130) {
  for (const auto& [number, code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    Command command;
    command.arguments = {"-m", t5, "-n", "10000000", "--eos-token-id", "[]", "Once upon a time"};
    command.signal_after_output = number;
    const Outcome text = run(command);
    EXPECT_EQ(text.exit_code, code) << text.err;
    EXPECT_TRUE(text.out.ends_with('\n'));
    EXPECT_EQ(text.err, "llm-generate: interrupted after 1 results\n");

    command.arguments = {"-m", t5,        "-n",      "500", "--eos-token-id", "[]", "--batch-size",
                         "1",  "--jsonl", "--lines", "-"};
    for (int i = 0; i < 200; ++i) command.input += "Once upon a time\n";
    const Outcome rows = run(command);
    EXPECT_EQ(rows.exit_code, code) << rows.err;
    EXPECT_LT(rows_of(rows.out).size(), 200u);
  }
}

}  // namespace
// Weights in fewer bits are other weights, but the same for every number of threads.
TEST(Generate, KeepsWeightsAsAsked) {
  const TempDir dir;
  const std::string rows = dir.write("rows.jsonl", R"({"ids":[3,77,140,8,91,12]})"
                                                   "\n")
                               .string();
  std::map<std::string, std::string> outputs;
  for (const std::string dtype : {"auto", "f32", "bf16", "int8", "int8-channel", "int4", "f64"}) {
    for (const std::string fast : {"", "--fast"}) {
      const auto output = [&](const std::string& threads) {
        std::vector<std::string> arguments = {"-m",      fixture("llama-wide"),
                                              "--dtype", dtype,
                                              "--input", rows,
                                              "--jsonl", "-t",
                                              threads,   "--max-new-tokens",
                                              "6",       "--logprobs",
                                              "3"};
        if (!fast.empty()) arguments.push_back(fast);
        const auto result = run(arguments);
        EXPECT_EQ(result.exit_code, 0) << dtype << result.err;
        return result.out;
      };
      EXPECT_EQ(outputs[dtype + fast] = output("1"), output("3")) << dtype << fast;
    }
  }
  EXPECT_EQ(outputs["auto"], outputs["f32"]);  // the file holds f32
  EXPECT_EQ(outputs["auto"], outputs["auto--fast"]);
  EXPECT_NE(outputs["int8"], outputs["auto"]);
  EXPECT_NE(outputs["int8"], outputs["int8--fast"]);
  EXPECT_NE(outputs["int8"], outputs["int4"]);
  EXPECT_NE(outputs["int8-channel"], outputs["int8"]);
  EXPECT_NE(outputs["int8-channel"], outputs["int8-channel--fast"]);
}

}  // namespace llm::test::cli_generate
