// classify, zero-shot, fill-mask, embed and similar at the shell: rows in, rows out, tables for
// people, and what is said about bad input. What they compute is tested in tests/tasks.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/run_command.hpp"
#include "core/json.hpp"
#include "support/damaged_model.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace llm::test::cli_tasks {
namespace {

using detail::Json;
using Arguments = std::vector<std::string>;

const std::string nli = fixture("bert-nli");
const std::string masked = fixture("bert-masked-lm");

std::vector<Json> rows_of(const Outcome& outcome) { return test::rows_of(outcome.out); }

// The only line that is written, as JSON.
Json only_row(const Arguments& arguments, const std::string& input = {}) {
  const Outcome outcome = run(arguments, input);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto rows = rows_of(outcome);
  EXPECT_EQ(rows.size(), 1U) << outcome.out;
  return rows.empty() ? Json() : rows[0];
}

void expect_failure(int code, const std::string& part, const Arguments& arguments) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.exit_code, code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(part), std::string::npos)
      << "expected \"" << part << "\" in: " << outcome.err;
}

TEST(ClassifyCommand, RowsOfPairsAndTexts) {
  const TempDir dir;
  dir.write("rows.jsonl",
            "{\"id\": \"a\", \"text\": \"the old house\"}\n"
            "{\"id\": \"b\", \"text\": \"the old house\", \"text_pair\": \"a cat\"}\n"
            "{\"id\": \"c\", \"text\": \"\"}\n"
            "{\"id\": \"d\", \"text\": \"a\", \"text_pair\": [1]}\n");
  const std::string input = dir.path() / "rows.jsonl";
  const Outcome outcome = run({"classify", "-m", nli, "--input", input});
  EXPECT_EQ(outcome.exit_code, 5);
  const auto rows = rows_of(outcome);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0]["id"], "a");
  EXPECT_EQ(rows[0]["labels"], only_row({"classify", "-m", nli, "the old house"})["labels"]);
  const Json pair = only_row({"classify", "-m", nli, "the old house", "--text-pair", "a cat"});
  EXPECT_EQ(rows[1]["labels"], pair["labels"]);
  EXPECT_NE(rows[0]["labels"], rows[1]["labels"]);
  EXPECT_EQ(rows[2]["error"], "the text is empty; give at least one word");
  EXPECT_NE(rows[3]["error"].get<std::string>().find("\"text_pair\" is no text: [1]"),
            std::string::npos);
  for (const Json& entry : rows[0]["labels"]) {
    EXPECT_TRUE(entry["label"].is_string() && entry["score"].is_number());
  }
}

TEST(ClassifyCommand, TableAndTopK) {
  const Outcome table = run({"classify", "-m", nli, "--format", "text", "the old house"});
  EXPECT_EQ(table.out, "  0.6715  ENTAILMENT\n  0.2058  CONTRADICTION\n  0.1227  NEUTRAL\n");
  EXPECT_EQ(only_row({"classify", "-m", nli, "--top-k", "1", "the old house"})["labels"].size(),
            1U);
  const Outcome several =
      run({"classify", "-m", nli, "--format", "text", "--top-k", "1", "--lines", "-"},
          "the old house\na cat\n");
  EXPECT_TRUE(several.out.starts_with("\"1\": \"the old house\"\n  0.6715  ENTAILMENT\n\"2\": "))
      << several.out;
}

TEST(ClassifyCommand, LongTextsAreErrorsUnlessCut) {
  std::string text = "the cat";
  for (int i = 0; i < 40; ++i) text += " cat";
  expect_failure(6, "but the model has 33 positions; shorten it, or have it cut (--overflow",
                 {"classify", "-m", nli, text});
  const Json row = only_row({"classify", "-m", nli, "--overflow", "truncate-right", text});
  EXPECT_EQ(row["truncated"], true);
}

TEST(ClassifyCommand, SaysWhatIsMissing) {
  expect_failure(3, "it has a masked-lm head and can be used for fill-mask, embed and similar",
                 {"classify", "-m", masked, "a"});
  expect_failure(3, "\"classifier.weight\" is missing",
                 {"classify", "-m", fixture("bert-model"), "a"});
  expect_failure(2, "expected softmax, sigmoid or none",
                 {"classify", "-m", nli, "--function-to-apply", "tanh", "a"});
}

TEST(ZeroShotCommand, LabelsOfTheFlagAndOfRows) {
  const Json one = only_row({"zero-shot", "-m", nli, "--labels", " cat , house,", "a little cat"});
  EXPECT_EQ(one["sequence"], "a little cat");
  EXPECT_EQ(one["labels"].size(), 2U);
  EXPECT_NEAR(one["scores"][0].get<double>() + one["scores"][1].get<double>(), 1.0, 1e-6);
  const Outcome outcome =
      run({"zero-shot", "-m", nli, "--labels", "cat,house", "--input", "-"},
          "{\"id\": 1, \"text\": \"a little cat\"}\n"
          "{\"id\": 2, \"text\": \"a little cat\", \"labels\": [\"house\", \"cat\"]}\n"
          "{\"id\": 3, \"text\": \"a little cat\", \"labels\": \"bird\"}\n"
          "{\"id\": 4, \"text\": \"a little cat\", \"labels\": [\"cat\", \"cat\"]}\n"
          "{\"id\": 5, \"text\": \"a little cat\", \"labels\": []}\n"
          "{\"id\": 6, \"text\": \"a little cat\", \"labels\": 7}\n");
  EXPECT_EQ(outcome.exit_code, 5);
  const auto rows = rows_of(outcome);
  ASSERT_EQ(rows.size(), 6U);
  EXPECT_EQ(rows[0]["scores"], one["scores"]);
  EXPECT_EQ(rows[1]["labels"], one["labels"]);
  EXPECT_EQ(rows[2]["labels"], Json({"bird"}));
  EXPECT_NE(rows[3]["error"].get<std::string>().find("given twice"), std::string::npos);
  EXPECT_NE(rows[4]["error"].get<std::string>().find("no candidate labels"), std::string::npos);
  EXPECT_NE(rows[5]["error"].get<std::string>().find("expected a list of texts"),
            std::string::npos);
}

TEST(ZeroShotCommand, BadOptionsAreErrors) {
  expect_failure(4, "give --labels a,b or \"labels\" in the row", {"zero-shot", "-m", nli, "a"});
  expect_failure(4, "\"a\" is given twice",
                 {"zero-shot", "-m", nli, "--labels", "a,a", "--lines", "/dev/null"});
  expect_failure(2, "has no place for the label",
                 {"zero-shot", "-m", nli, "--labels", "a", "--hypothesis-template", "x", "a"});
}

TEST(FillMaskCommand, MasksTargetsAndTable) {
  const Json row = only_row({"fill-mask", "-m", masked, "--top-k", "2", "the [MASK] house [MASK]"});
  ASSERT_EQ(row["masks"].size(), 2U);
  ASSERT_EQ(row["masks"][0].size(), 2U);
  EXPECT_EQ(row["masks"][0][0]["token_str"], "n");
  EXPECT_EQ(row["masks"][0][0]["sequence"], "[CLS] the n house [MASK] [SEP]");
  EXPECT_TRUE(row["masks"][0][0]["token"].is_number_integer());
  const Outcome targets = run(
      {"fill-mask", "-m", masked, "--format", "text", "--targets", "cat,catapult", "the [MASK]"});
  EXPECT_NE(targets.err.find("warning: the target \"catapult\" is no token"), std::string::npos);
  EXPECT_NE(targets.out.find("cat  |  the cat\n"), std::string::npos) << targets.out;
  expect_failure(4, "has no mask to fill; this model's is [MASK], not <mask>",
                 {"fill-mask", "-m", masked, "the <mask>"});
}

TEST(FillMaskCommand, GapsOfT5) {
  const Json row =
      only_row({"fill-mask", "-m", fixture("t5-v1_0"), "the <extra_id_0> house <extra_id_1>."});
  EXPECT_EQ(row["masks"].size(), 2U);
  expect_failure(4, "has no gap to fill", {"fill-mask", "-m", fixture("t5-v1_0"), "the house"});
  expect_failure(2, "--targets needs a masked language model",
                 {"fill-mask", "-m", fixture("t5-v1_0"), "--targets", "a", "<extra_id_0>"});
}

// The vectors of rows, and the same as a file of NumPy.
TEST(EmbedCommand, RowsAndNpy) {
  const TempDir dir;
  const std::string input = dir.write("rows.txt", "the old house\na cat\nhello world\n");
  const std::string npy = dir.path() / "out.npy";
  const Outcome outcome = run({"embed", "-m", masked, "--input", input});
  const auto rows = rows_of(outcome);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1]["tokens"], 4);
  EXPECT_EQ(rows[1]["truncated"], false);
  const Outcome written =
      run({"embed", "-m", masked, "--input", input, "--format", "npy", "-o", npy});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  std::ifstream file(npy, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::size_t dimensions = rows[0]["embedding"].size();
  ASSERT_EQ(bytes.size(), 128 + 3 * dimensions * sizeof(float));
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_TRUE(
      bytes.substr(10).starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 42), }"));
  EXPECT_EQ(bytes[127], '\n');
  for (std::size_t i = 0; i < 3 * dimensions; ++i) {
    float value = 0;
    std::memcpy(&value, bytes.data() + 128 + i * sizeof(float), sizeof(float));
    EXPECT_EQ(value, rows[i / dimensions]["embedding"][i % dimensions].get<float>());
  }
  expect_failure(2, "needs -o FILE", {"embed", "-m", masked, "--format", "npy", "a"});
  expect_failure(2, "--force",
                 {"embed", "-m", masked, "--input", input, "--format", "npy", "-o", npy});
  const std::string bad = dir.write("bad.txt", "a cat\n\n");
  expect_failure(4, "bad.txt, line 2: the text is empty",
                 {"embed", "-m", masked, "--input", bad, "--format", "npy", "-o",
                  (dir.path() / "bad.npy").string()});
  EXPECT_FALSE(std::filesystem::exists(dir.path() / "bad.npy"));
}

TEST(EmbedCommand, PoolingNormalizingAndCutting) {
  const auto vector = [](Arguments options) {
    options.insert(options.begin(), {"embed", "-m", masked});
    options.emplace_back("once upon a time there was a little cat");
    return only_row(options);
  };
  const Json plain = vector({"--max-seq-length", "6"}), both = vector({"--pooling", "mean,cls"});
  EXPECT_EQ(plain["tokens"], 6);
  EXPECT_EQ(plain["truncated"], true);
  EXPECT_EQ(both["embedding"].size(), 84U);
  EXPECT_EQ(both["truncated"], false);
  double squares = 0;
  const Json normal = vector({"--normalize"});
  for (const Json& value : normal["embedding"]) {
    squares += value.get<double>() * value.get<double>();
  }
  EXPECT_NEAR(squares, 1.0, 1e-5);
  expect_failure(6, "max_seq_length is 6",
                 {"embed", "-m", masked, "--max-seq-length", "6", "--overflow", "error",
                  "once upon a time there was a little cat"});
  expect_failure(2, "expected one of mean, cls", {"embed", "-m", masked, "--pooling", "avg", "a"});
}

TEST(SimilarCommand, PairsAndTheNearest) {
  const Json pair = only_row({"similar", "-m", masked, "the cat", "--text-pair", "the cat"});
  EXPECT_EQ(pair.size(), 5U);
  EXPECT_NEAR(pair["cosine"].get<double>(), 1.0, 1e-6);
  EXPECT_EQ(pair["angle"], 0.0);
  EXPECT_EQ(pair["l2"], 0.0);
  const TempDir dir;
  const std::string file = dir.write("texts.jsonl",
                                     "{\"id\": \"x\", \"text\": \"hello world\"}\n"
                                     "{\"id\": \"y\", \"text\": \"the cat\"}\n"
                                     "{\"id\": \"z\", \"text\": \"a river\"}\n");
  const Json row = only_row({"similar", "-m", masked, "--nearest", file, "-k", "2", "the cat"});
  ASSERT_EQ(row["nearest"].size(), 2U);
  EXPECT_EQ(row["nearest"][0]["id"], "y");
  EXPECT_EQ(row["nearest"][0]["text"], "the cat");
  EXPECT_NEAR(row["nearest"][0]["cosine"].get<double>(), 1.0, 1e-6);
  EXPECT_LT(row["nearest"][1]["cosine"], row["nearest"][0]["cosine"]);
  expect_failure(4, "the row has no second text \"text_pair\"", {"similar", "-m", masked, "a"});
}

// The same bytes for any batch, number of threads and order.
TEST(SimilarCommand, RowsStandAlone) {
  const std::vector<std::string> words = {"the cat", "a river",   "hello world", "an old house",
                                          "a bird",  "the light", "a small dog", "once upon"};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < 24; ++i)
    lines.push_back(Json{{"id", i},
                         {"text", words[i % 8] + " and " + words[(i / 2) % 8]},
                         {"text_pair", words[(3 * i + 1) % 8]}}
                        .dump());
  const auto joined = [](const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& line : list) text += line + '\n';
    return text;
  };
  const TempDir dir;
  const std::string nearest = dir.write("texts.jsonl", joined(lines)).string();
  for (const Arguments& more : {Arguments{}, Arguments{"--nearest", nearest, "-k", "3"}}) {
    const auto written = [&](const std::string& input, const char* batch, const char* threads) {
      Arguments arguments = {"similar", "-m",           masked, "--input",   "-",
                             "--jsonl", "--batch-size", batch,  "--threads", threads};
      arguments.insert(arguments.end(), more.begin(), more.end());
      const Outcome outcome = run(arguments, input);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      return outcome.out;
    };
    const std::string expected = written(joined(lines), "1", "1");
    EXPECT_EQ(written(joined(lines), "64", "2"), expected);
    const std::vector<std::string> backwards(lines.rbegin(), lines.rend());
    std::istringstream answers(written(joined(backwards), "5", "2"));
    std::vector<std::string> rows;
    for (std::string row; std::getline(answers, row);) rows.push_back(row);
    std::reverse(rows.begin(), rows.end());
    EXPECT_EQ(joined(rows), expected);
  }
}

TEST(FillMaskCommand, BartFillsMasksByItsLmHead) {
  const std::string mbart = fixture("mbart-languages");
  const Arguments fill = {"fill-mask", "-m", mbart, "--top-k", "2", "the <mask> cat"};
  const Json row = only_row(fill);
  ASSERT_EQ(row["masks"].size(), 1U);
  EXPECT_EQ(row["masks"][0].size(), 2U);
  const TempDir dir;
  const std::string packed = dir.path() / "packed";
  ASSERT_EQ(run({"pack", mbart, "-o", packed}).exit_code, 0);
  EXPECT_EQ(only_row({"fill-mask", "-m", packed, "--top-k", "2", "the <mask> cat"}), row);
  EXPECT_NE(run({"info", mbart}).out.find("fill-mask"), std::string::npos);
  expect_failure(4, "has no mask to fill; this model's is <mask>, not <extra_id_0>",
                 {"fill-mask", "-m", mbart, "the <extra_id_0> cat"});
  expect_failure(3, "it can be used for classify, zero-shot, embed and similar",
                 {"fill-mask", "-m", fixture("bart-nli"), "the <mask> cat"});
}

TEST(Generate, OfAnEncoderSaysWhatItCanDo) {
  expect_failure(3, "it cannot generate; it can be used for fill-mask, embed and similar",
                 {"-m", masked, "hello"});
  expect_failure(3, "it can be used for classify, zero-shot, embed and similar",
                 {"-m", nli, "hello"});
}

// Weights that are no numbers: every command that computes with them ends as generate does, and
// writes nothing.
TEST(AllCommands, HandOutNumbersOnly) {
  const TempDir dir;
  const std::string lines = dir.write("lines.txt", "the cat saw a bird\n").string();
  const std::string vectors = (dir.path() / "vectors.npy").string();
  const auto ends = [](const std::string& name, const std::string& tensor,
                       const std::vector<Arguments>& commands) {
    const DamagedModel damaged(name, tensor, std::nanf(""));
    for (Arguments arguments : commands) {
      SCOPED_TRACE(name + " " + arguments[0]);
      arguments.insert(arguments.begin() + 1, {"-m", damaged.path().string()});
      expect_failure(3, "are not finite numbers", arguments);
    }
  };
  ends("llama-gqa", "model.norm.weight",
       {{"generate", "the cat"},
        {"generate", "--num-beams", "3", "the cat"},
        {"generate", "--do-sample", "--temperature", "1", "the cat"},
        {"score", "--choices", "a,b", "the cat"},
        {"score", "--perplexity", lines},
        {"verify", "--text", lines},
        {"embed", "the cat"}});
  ends("bert-nli", "classifier.weight",
       {{"classify", "the cat"}, {"zero-shot", "--labels", "a,b", "the cat"}});
  ends("bert-ner", "classifier.bias", {{"ner", "the cat"}});
  ends("bert-answers", "qa_outputs.bias", {{"qa", "--context", "the cat", "who"}});
  ends("bert-masked-lm", "bert.encoder.layer.1.output.LayerNorm.weight",
       {{"fill-mask", "the [MASK]"},
        {"embed", "the cat"},
        {"embed", "--pooling", "max", "the cat"},
        {"embed", "--format", "npy", "-o", vectors, "the cat"},
        {"similar", "--text-pair", "a", "the cat"},
        {"similar", "--nearest", lines, "the cat"}});
  ends("t5-v1_0", "decoder.final_layer_norm.weight",
       {{"fill-mask", "the <extra_id_0> a"}, {"summarize", "the cat"}});
  EXPECT_FALSE(std::filesystem::exists(vectors));
}

// A step of a chain is no way around it.
TEST(AllCommands, ChainsHandOutNumbersOnly) {
  const DamagedModel damaged("bert-ner", "classifier.bias", std::nanf(""));
  const TempDir dir;
  const Json chain = {{"steps",
                       {{{"name", "a"},
                         {"task", "ner"},
                         {"model", damaged.path().string()},
                         {"text", "{{text}}"}}}}};
  const std::string file = dir.write("chain.json", chain.dump()).string();
  expect_failure(3, "are not finite numbers", {"chain", file, "--set", "text=the cat"});
}

TEST(EmbedCommand, KeepsTheFirstValues) {
  const Json whole = only_row({"embed", "-m", masked, "--json", "the cat"});
  const Json part = only_row({"embed", "-m", masked, "--json", "--truncate-dim", "3", "the cat"});
  ASSERT_EQ(part["embedding"].size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(part["embedding"][i], whole["embedding"][i]);
  const Json unit = only_row(
      {"embed", "-m", masked, "--json", "--truncate-dim", "3", "--normalize", "true", "the cat"});
  double squares = 0;
  for (const Json& value : unit["embedding"]) squares += value.get<double>() * value.get<double>();
  EXPECT_NEAR(squares, 1.0, 1e-6);
}

const std::string reranker = fixture("bert-reranker");

TEST(RerankCommand, DocumentsOfRowsAndOfAFile) {
  const TempDir dir;
  dir.write(
      "rows.jsonl",
      "{\"id\": \"a\", \"query\": \"the cat\", \"documents\": [\"a bird\", \"the old house\"]}\n"
      "{\"id\": \"b\", \"query\": \"the cat\"}\n"
      "{\"id\": \"c\", \"query\": \"the cat\", \"documents\": [\"a\", 1]}\n");
  dir.write("documents.txt", "a bird\nthe old house\n");
  const std::string input = dir.path() / "rows.jsonl", documents = dir.path() / "documents.txt";
  const Outcome outcome = run({"rerank", "-m", reranker, "--input", input});
  EXPECT_EQ(outcome.exit_code, 5);
  const auto rows = rows_of(outcome);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_NE(rows[1]["error"].dump().find("no list"), std::string::npos) << rows[1];
  EXPECT_NE(rows[2]["error"].dump().find("document 1 is no text"), std::string::npos);
  const Json of_file = only_row({"rerank", "-m", reranker, "--documents", documents, "the cat"});
  ASSERT_EQ(rows[0]["ranked"].size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rows[0]["ranked"][i]["score"], of_file["ranked"][i]["score"]);
    EXPECT_EQ(rows[0]["ranked"][i]["text"], of_file["ranked"][i]["text"]);
  }
  EXPECT_GE(of_file["ranked"][0]["score"], of_file["ranked"][1]["score"]);
  const Json best =
      only_row({"rerank", "-m", reranker, "--documents", documents, "-k", "1", "the cat"});
  ASSERT_EQ(best["ranked"].size(), 1U);
  EXPECT_EQ(best["ranked"][0], of_file["ranked"][0]);
}

TEST(RerankCommand, BadUseIsRefused) {
  const TempDir dir;
  dir.write("empty.txt", "");
  dir.write("one.txt", "a bird\n");
  expect_failure(4, "there are no rows in it",
                 {"rerank", "-m", reranker, "--documents", dir.path() / "empty.txt", "a"});
  expect_failure(3, "has no sequence-classification head",
                 {"rerank", "-m", masked, "--documents", dir.path() / "one.txt", "a"});
}

}  // namespace
}  // namespace llm::test::cli_tasks
