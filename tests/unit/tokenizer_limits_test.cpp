// Tokenizer files made to do harm, and files that cannot be read: each ends in an Error that names
// the file and, for steps, the step.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "llm/tokenizer/tokenizer.hpp"
#include "support/catch_error.hpp"
#include "support/temp_dir.hpp"
#include "support/tokenizer_files.hpp"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Ids = std::vector<llm::TokenId>;
using llm::ErrorCode;
using llm::Tokenizer;
using llm::test::catch_error;
using llm::test::expect_error;
using llm::test::TempDir;

Json small_tokenizer() {
  return {{"added_tokens", Json::array()},
          {"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}}}, {"merges", Json::array()}}}};
}

Json replace_step(const std::string& from, const std::string& to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

Json repeated(const char* list, const Json& step, std::size_t count = 40) {
  return {{"type", "Sequence"}, {list, std::vector<Json>(count, step)}};
}

std::unique_ptr<Tokenizer> open_json(const TempDir& folder, const Json& json) {
  return Tokenizer::open(folder.write("tokenizer.json", json.dump()));
}

// The step `name` being `step`, a short text ends in an Error that names it, soon.
void expect_refused(const char* name, const Json& step, const std::string& where,
                    const std::string& text = "aaaa") {
  SCOPED_TRACE(name);
  const TempDir folder;
  Json json = small_tokenizer();
  json[name] = step;
  const auto tokenizer = open_json(folder, json);
  const std::clock_t start = std::clock();
  expect_error(ErrorCode::invalid_input, "tokenizer.json: " + where, [&] {
    (void)tokenizer->encode(text);
    (void)tokenizer->decode(Ids{0, 0, 0, 0});
  });
  EXPECT_LT(std::clock() - start, 20 * CLOCKS_PER_SEC);
}

TEST(TokenizerLimits, StepsThatDoubleATextEndSoon) {
  expect_refused("normalizer", repeated("normalizers", replace_step("a", "aa")),
                 "normalizer.normalizers[");
  expect_refused("normalizer", repeated("normalizers", {{"type", "ByteLevel"}}),
                 "normalizer.normalizers[", "é");
  expect_refused(
      "normalizer",
      repeated("normalizers", {{"type", "Prepend"}, {"prepend", std::string(1 << 20, 'a')}}),
      "normalizer.normalizers[");
  expect_refused("normalizer", replace_step("a", std::string(5 << 20, 'a')), "normalizer:");
  expect_refused("pre_tokenizer",
                 repeated("pretokenizers", {{"type", "ByteLevel"}, {"add_prefix_space", false}}),
                 "pre_tokenizer.pretokenizers[", "é");
  expect_refused("decoder", repeated("decoders", replace_step("a", "aa")), "decoder.decoders[");
}

TEST(TokenizerLimits, PostProcessorsThatMultiplySegmentsEndSoon) {
  const Json mark = Json::array({"a", 0});
  for (const char* type : {"RobertaProcessing", "BertProcessing"}) {
    const Json step = {{"type", type}, {"cls", mark}, {"sep", mark}};
    expect_refused("post_processor", repeated("processors", step), "post_processor.processors[");
  }
  const Json special = {{"SpecialToken", {{"id", "x"}, {"type_id", 0}}}};
  const std::vector<Json> pieces(1000, special);
  expect_refused("post_processor",
                 {{"type", "TemplateProcessing"},
                  {"single", pieces},
                  {"pair", pieces},
                  {"special_tokens", {{"x", {{"id", "x"}, {"ids", std::vector<int>(16000)}}}}}},
                 "post_processor:");
}

TEST(TokenizerLimits, RegularExpressionsShareOneBudget) {
  const Json pattern = {{"Regex", "(?:a|a)*[0-9]"}};
  std::string text;
  for (int i = 0; i < 4000; ++i) text += std::string(16, 'a') + "b";
  expect_refused("normalizer", {{"type", "Replace"}, {"pattern", pattern}, {"content", "c"}},
                 "normalizer:", text);
  expect_refused(
      "pre_tokenizer",
      {{"type", "Split"}, {"pattern", pattern}, {"behavior", "Isolated"}, {"invert", false}},
      "pre_tokenizer:", text);
}

// What takes many steps at one place is found all the same.
TEST(TokenizerLimits, LongMatchesAreFound) {
  const TempDir folder;
  Json json = small_tokenizer();
  json["normalizer"] = {
      {"type", "Replace"}, {"pattern", {{"Regex", "(?:a|b)*?c"}}}, {"content", "b"}};
  const auto tokenizer = open_json(folder, json);
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "ab";
  EXPECT_EQ(tokenizer->encode(text + "ca" + text + "c").ids, (Ids{1, 1}));
}

TEST(TokenizerLimits, LongTokensTakeNoSquareOfTheText) {
  const std::string run(50'000, 'a');
  const TempDir folder;
  Json json = small_tokenizer();
  json["added_tokens"] = {{{"id", 2}, {"content", run + "b"}, {"special", true}}};
  expect_error(ErrorCode::invalid_input, "tokenizer.json",
               [&] { (void)open_json(folder, json)->encode(run); });
  json["added_tokens"] = {
      {{"id", 2}, {"content", " "}, {"special", true}, {"lstrip", true}, {"rstrip", true}}};
  expect_error(ErrorCode::invalid_input, "tokenizer.json",
               [&] { (void)open_json(folder, json)->encode(std::string(50'000, ' ')); });
  json["added_tokens"] = Json::array();
  const Json vocabulary = Json::array({Json::array({"a", -1.0}), Json::array({run + "b", -1.0})});
  json["model"] = {{"type", "Unigram"}, {"vocab", vocabulary}, {"unk_id", 0}};
  expect_error(ErrorCode::invalid_input, "tokenizer.json",
               [&] { (void)open_json(folder, json)->encode(run); });
  json["model"] = {{"type", "WordPiece"},
                   {"unk_token", "a"},
                   {"continuing_subword_prefix", ""},
                   {"max_input_chars_per_word", 1'000'000},
                   {"vocab", {{"a", 0}, {run + "b", 1}}}};
  expect_error(ErrorCode::invalid_input, "tokenizer.json",
               [&] { (void)open_json(folder, json)->encode(run); });
}

TEST(TokenizerLimits, LongTokensAreNotDecodedForEver) {
  const TempDir folder;
  Json json = small_tokenizer();
  json["model"]["vocab"] = {{std::string(1 << 20, 'a'), 0}};
  const auto tokenizer = open_json(folder, json);
  EXPECT_EQ(tokenizer->decode(Ids{0}).size(), std::size_t{1} << 20U);
  expect_error(ErrorCode::invalid_input, "tokenizer.json",
               [&] { (void)tokenizer->decode(Ids(1000)); });
}

TEST(TokenizerLimits, MoreStepsThanAnyoneNeedsAreRefused) {
  const TempDir folder;
  Json json = small_tokenizer();
  json["normalizer"] = repeated("normalizers", {{"type", "NFC"}}, 20'000);
  expect_error(ErrorCode::bad_format, "normalizer has more than 10000",
               [&] { (void)open_json(folder, json); });
  // Names of scripts that never end, in a long pattern.
  std::string pattern;
  for (int i = 0; i < 100'000; ++i) pattern += "\\p{L";
  json["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", ""}};
  expect_error(ErrorCode::unsupported, "tokenizer.json", [&] { (void)open_json(folder, json); });
}

TEST(TokenizerLimits, AddedTokensAreNormalizedWithinTheBudget) {
  const TempDir folder;
  Json json = small_tokenizer();
  json["normalizer"] = repeated("normalizers", replace_step("a", "aa"));
  json["added_tokens"] = {{{"id", 2}, {"content", "aba"}, {"normalized", true}}};
  expect_error(ErrorCode::bad_format, "normalizers[", [&] { (void)open_json(folder, json); });
}

// A NUL wherever a model of sentencepiece can have one.
TEST(TokenizerLimits, SentencepieceModelsWithNulAreErrors) {
  using Pieces = std::vector<std::pair<std::string, int>>;
  const std::string with_nul("a\0b", 3);
  for (int kind = 1; kind <= 6; ++kind) {
    for (const bool bpe : {false, true}) {
      const TempDir folder;
      const Pieces pieces = {{"<unk>", 2}, {"<s>", 3}, {"</s>", 3}, {"b", 1}, {with_nul, kind}};
      const auto file =
          folder.write("tokenizer.model", llm::test::sentencepiece_model(pieces, bpe));
      expect_error(ErrorCode::bad_format, file.string(), [&] { (void)Tokenizer::open(file); });
      folder.write("config.json", R"({"model_type": "llama"})");
      expect_error(ErrorCode::bad_format, file.string(),
                   [&] { (void)Tokenizer::open(folder.path()); });
    }
  }
}

// What the library trusts blindly (samples that it encodes, character maps) does not reach it.
TEST(TokenizerLimits, SentencepieceModelsAreNotTriedOnTheirSamples) {
  const std::vector<std::pair<std::string, int>> pieces = {
      {"<unk>", 2}, {"<s>", 3}, {"</s>", 3}, {"▁a", 1}, {"b", 1}};
  const std::string model = llm::test::sentencepiece_model(pieces, false);
  const auto field = [](char number, const std::string& content) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(content.size())} +
           content;
  };
  const std::string charsmap(
      "\x10\0\0\0\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F", 20);
  const std::string sample = field(4, field(1, field(1, "ab") + field(2, "something else")));
  const TempDir folder;
  EXPECT_EQ(Tokenizer::open(folder.write("a.model", model + sample))->decode(Ids{3, 4}), "ab");
  const auto mapped = folder.write("b.model", model + field(5, field(2, charsmap)));
  EXPECT_EQ(Tokenizer::open(mapped)->decode(Ids{3, 4}), "ab");  // whose map leads out of itself
}

enum class Fault { loop, dangling, folder, pipe, unreadable, empty, nul };

void break_file(const fs::path& file, Fault fault) {
  fs::remove(file);
  if (fault == Fault::loop) fs::create_symlink(file.filename(), file);
  if (fault == Fault::dangling) fs::create_symlink("nowhere", file);
  if (fault == Fault::folder) fs::create_directory(file);
  if (fault == Fault::pipe) {
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  }
  if (fault == Fault::empty) std::ofstream(file, std::ios::binary);
  if (fault == Fault::nul) std::ofstream(file, std::ios::binary) << '\0' << "{}" << '\0';
  if (fault != Fault::unreadable) return;
  std::ofstream(file, std::ios::binary) << "{}";
  fs::permissions(file, fs::perms::none);
}

// Every file of every kind of folder, with every fault, ends in an Error that names the file.
TEST(TokenizerLimits, FilesThatCannotBeReadAreErrorsThatNameThem) {
  const fs::path folders = LLM_SOURCE_DIR "/tests/unit/data/folders";
  const bool is_root = ::geteuid() == 0;
  for (const char* name : {"openai-gpt", "xlm-roberta", "marian", "llama", "gguf-bert"}) {
    std::vector<std::string> files = {"tokenizer.json", "tokenizer_config.json",
                                      "special_tokens_map.json", "added_tokens.json"};
    for (const auto& entry : fs::directory_iterator(folders / name)) {
      const std::string file = entry.path().filename().string();
      if (!file.ends_with(".jsonl")) files.push_back(file);
    }
    for (const std::string& file : files) {
      for (const Fault fault : {Fault::loop, Fault::dangling, Fault::folder, Fault::pipe,
                                Fault::unreadable, Fault::empty, Fault::nul}) {
        if (fault == Fault::unreadable && is_root) continue;
        if (fault >= Fault::empty && file.ends_with(".txt")) continue;  // lists of no words
        SCOPED_TRACE(name + (": " + file) + ", fault " + std::to_string(static_cast<int>(fault)));
        const TempDir folder;
        for (const auto& entry : fs::directory_iterator(folders / name)) {
          if (entry.path().extension() == ".jsonl") continue;
          fs::copy(entry.path(), folder.path() / entry.path().filename());
        }
        // Only then are the old files beside it and config.json read.
        if (file != "tokenizer_config.json") fs::remove(folder.path() / "tokenizer_config.json");
        break_file(folder.path() / file, fault);
        const llm::Error error = catch_error([&] { (void)Tokenizer::open(folder.path()); });
        EXPECT_NE(std::string(error.what()).find(file), std::string::npos) << error.what();
        EXPECT_NE(error.code(), ErrorCode::internal) << error.what();
      }
    }
  }
}

TEST(TokenizerLimits, PathsThatCannotBeReadAreErrors) {
  const TempDir folder;
  for (const Fault fault : {Fault::loop, Fault::dangling, Fault::pipe}) {
    for (const char* name : {"tokenizer.json", "m.model", "m.gguf", "vocab.txt"}) {
      break_file(folder.path() / name, fault);
      expect_error(ErrorCode::file_not_found, name,
                   [&] { (void)Tokenizer::open(folder.path() / name); });
    }
  }
}

}  // namespace
