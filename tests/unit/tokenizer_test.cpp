// Small tokenizers of every kind and step against what the reference library made of the same texts
// (tests/support/make_tokenizer_vectors.py), the files around them, and what is refused.
#include "llm/tokenizer/tokenizer.hpp"

#include <chrono>
#include <thread>

#include "support/catch_error.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"
#include "support/tokenizer_files.hpp"

namespace {

using Json = nlohmann::json;
using Ids = std::vector<llm::TokenId>;
using llm::ErrorCode;
using llm::Tokenizer;
using llm::test::expect_error;
using llm::test::TempDir;

std::vector<Json> vectors() {
  return llm::test::read_json_rows(LLM_SOURCE_DIR "/tests/unit/data/tokenizers.jsonl");
}

Json vector_named(const std::string& name) {
  for (Json& row : vectors()) {
    if (row["name"] == name) return row["json"];
  }
  throw std::out_of_range(name);
}

TEST(Tokenizer, EqualsTheReferenceForEveryKindAndStep) {
  const TempDir folder;
  const std::vector<Json> rows = vectors();
  ASSERT_GE(rows.size(), 14U);
  for (const Json& row : rows) {
    const auto tokenizer = Tokenizer::open(folder.write("tokenizer.json", row["json"].dump()));
    for (const Json& test : row["cases"]) {
      const std::string text = test["text"];
      SCOPED_TRACE(row["name"].get<std::string>() + ": " + text);
      const llm::Encoding encoding =
          test.contains("pair") ? tokenizer->encode_pair(text, test["pair"].get<std::string>())
                                : tokenizer->encode(text);
      EXPECT_EQ(encoding.ids, test["ids"].get<Ids>());
      EXPECT_EQ(encoding.type_ids, test["types"].get<std::vector<std::int32_t>>());
      std::vector<llm::ByteSpan> offsets;
      for (const Json& span : test["offsets"]) offsets.push_back({span[0], span[1]});
      EXPECT_EQ(encoding.offsets, offsets);
      EXPECT_EQ(tokenizer->decode(encoding.ids), test["decoded"]);
      EXPECT_EQ(tokenizer->decode(encoding.ids, {.skip_special_tokens = false}), test["all"]);
    }
  }
}

TEST(Tokenizer, KnowsItsTokens) {
  const TempDir folder;
  folder.write("tokenizer.json", vector_named("gpt2").dump());
  const auto tokenizer = Tokenizer::open(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 340);
  EXPECT_EQ(tokenizer->id("<s>"), 1);
  EXPECT_EQ(tokenizer->token(1), "<s>");
  EXPECT_TRUE(tokenizer->is_special(1));
  EXPECT_FALSE(tokenizer->is_special(10));
  EXPECT_EQ(tokenizer->token(340), "");
  EXPECT_EQ(tokenizer->token(-1), "");
  EXPECT_EQ(tokenizer->id("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer->decode(Ids{-5, 999999, 1}), "");
  EXPECT_EQ(tokenizer->description(), "tokenizer.json (BPE, 340 tokens)");
}

TEST(Tokenizer, BytesThatAreNotUtf8AreReplacedAndRefused) {
  const TempDir folder;
  folder.write("tokenizer.json", vector_named("gpt2").dump());
  const auto tokenizer = Tokenizer::open(folder.path());
  Ids ids = tokenizer->encode("😀").ids;
  ids.pop_back();
  EXPECT_EQ(tokenizer->decode(ids), "\xEF\xBF\xBD");
  expect_error(ErrorCode::invalid_input, "byte 3", [&] { tokenizer->encode("abc\xFFz"); });
  expect_error(ErrorCode::invalid_input, "byte 0", [&] { tokenizer->encode("\xED\xA0\x80"); });
}

TEST(Tokenizer, FollowsTheFilesBesideIt) {
  const TempDir folder;
  folder.write("tokenizer.json", vector_named("gpt2").dump());
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizerFast",
      "bos_token": "<s>", "eos_token": {"content": "</s>"}, "add_bos_token": true,
      "add_eos_token": true, "chat_template": "old",
      "added_tokens_decoder": {"340": {"content": "<new>", "special": false}}})");
  folder.write("special_tokens_map.json", R"({"pad_token": "<pad>", "eos_token": "<s>"})");
  folder.write("chat_template.jinja", "{{ new }}");
  const auto tokenizer = Tokenizer::open(folder.path());
  EXPECT_EQ(tokenizer->encode("<new>").ids, (Ids{1, 340, 2}));
  EXPECT_EQ(tokenizer->encode("<new>", {.add_special_tokens = false}).ids, Ids{340});
  EXPECT_EQ(tokenizer->special().bos, 1);
  EXPECT_EQ(tokenizer->special().eos, 2);
  EXPECT_EQ(tokenizer->special().pad, std::nullopt);  // with added_tokens_decoder the map is old
  EXPECT_EQ(tokenizer->special().mask, std::nullopt);
  EXPECT_EQ(tokenizer->chat_template(), "{{ new }}");
}

TEST(Tokenizer, CleansUpWhereTheReferenceDoes) {
  const TempDir folder;
  folder.write("tokenizer_config.json", R"({"clean_up_tokenization_spaces": true})");
  folder.write("tokenizer.json", vector_named("words").dump());
  auto tokenizer = Tokenizer::open(folder.path());
  const Ids ids = tokenizer->encode("hello . world").ids;
  EXPECT_EQ(tokenizer->decode(ids, {.clean_up_spaces = false}), "hello . world");
  EXPECT_EQ(tokenizer->decode(ids), "hello. world");
  folder.write("tokenizer.json", vector_named("gpt2").dump());  // BPE: real spaces stay
  tokenizer = Tokenizer::open(folder.path());
  const Ids spaced = tokenizer->encode("hello . world").ids;
  EXPECT_EQ(tokenizer->decode(spaced), "hello . world");
  EXPECT_EQ(tokenizer->decode(spaced, {.clean_up_spaces = true}), "hello. world");
}

TEST(Tokenizer, ReadsVocabularyAndMerges) {
  const TempDir folder;
  const Json json = vector_named("roberta");
  std::string merges = "#version: 0.2\n";
  for (const Json& merge : json["model"]["merges"]) {
    merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
  }
  folder.write("vocab.json", json["model"]["vocab"].dump());
  folder.write("merges.txt", merges);
  const Ids plain = Tokenizer::open(folder.path())->encode("Hello low").ids;
  folder.write("config.json", R"({"model_type": "roberta"})");
  const Ids marked = Tokenizer::open(folder.path())->encode("Hello low").ids;
  EXPECT_EQ(marked.front(), 1);
  EXPECT_EQ(marked.back(), 2);
  EXPECT_EQ(Ids(marked.begin() + 1, marked.end() - 1), plain);
  folder.write("merges.txt", "h e l\n");
  expect_error(ErrorCode::bad_format, "h e l", [&] { Tokenizer::open(folder.path()); });
}

TEST(Tokenizer, ReadsByteLevelGguf) {
  const TempDir folder;
  const auto open = [&](const std::string& pre) {
    return Tokenizer::open(folder.write("m.gguf", llm::test::byte_level_gguf(pre).bytes()));
  };
  const auto tokenizer = open("smollm");
  EXPECT_EQ(tokenizer->encode("hello<end>12").ids, (Ids{257, 258, 259, '1', '2'}));
  EXPECT_EQ(tokenizer->decode(Ids{257, 258, 259}), "hello");
  EXPECT_EQ(tokenizer->special().bos, 259);
  EXPECT_EQ(tokenizer->chat_template(), "{{ messages }}");
  for (const char* pre : {"gpt-2", "qwen2", "falcon", "default", "bloom", "tekken", "refact"}) {
    EXPECT_EQ(open(pre)->encode("hello").ids, (Ids{257, 258})) << pre;
  }
  EXPECT_EQ(open("llama-bpe")->encode("hello").ids, (Ids{259, 257, 258}));  // adds bos
  expect_error(ErrorCode::unsupported, "\"my-pre\"", [&] { open("my-pre"); });
}

TEST(Tokenizer, ReadsSentencepieceGguf) {
  const TempDir folder;
  const auto file = folder.write("m.gguf", llm::test::sentencepiece_gguf().bytes());
  const auto tokenizer = Tokenizer::open(file);
  // "ab" has the best score, so "▁ab" is made of "▁" and "ab", not of "▁a" and "b".
  const llm::Encoding encoding = tokenizer->encode("ab aé</s>");
  EXPECT_EQ(encoding.ids, (Ids{1, 8, 6, 9 + 0xC3, 9 + 0xA9, 2}));
  EXPECT_EQ(encoding.offsets[3], (llm::ByteSpan{4, 6}));
  EXPECT_EQ(tokenizer->decode(encoding.ids), "ab aé");
}

TEST(Tokenizer, ReadsSentencepieceModels) {
  const TempDir folder;
  const std::vector<std::pair<std::string, int>> pieces = {
      {"<pad>", 3}, {"</s>", 3}, {"<unk>", 2}, {"▁a", 1}, {"b", 1}, {"▁", 1}, {"a", 1}};
  const auto file = folder.write("spiece.model", llm::test::sentencepiece_model(pieces, false));
  EXPECT_EQ(Tokenizer::open(file)->encode("ab a").ids, (Ids{3, 4, 3}));
  EXPECT_EQ(Tokenizer::open(file)->decode(Ids{3, 4, 3}), "ab a");
  folder.write("config.json", R"({"model_type": "t5"})");
  folder.write("tokenizer_config.json", R"({"extra_ids": 3})");
  const auto t5 = Tokenizer::open(folder.path());
  const llm::Encoding encoding = t5->encode("ab<extra_id_0>");
  EXPECT_EQ(encoding.ids, (Ids{3, 4, 9, 1}));
  EXPECT_EQ(encoding.offsets[2], (llm::ByteSpan{2, 14}));
  EXPECT_EQ(t5->decode(encoding.ids), "ab");
  EXPECT_EQ(t5->vocab_size(), 10);
  expect_error(ErrorCode::bad_format, "sentencepiece",
               [&] { Tokenizer::open(folder.write("bad.model", "not a model")); });
}

// treat_whitespace_as_suffix: ids and offsets are those of the sentencepiece library.
TEST(Tokenizer, ReadsSentencepieceModelsWithTheSpaceBehind) {
  const TempDir folder;
  const std::vector<std::pair<std::string, int>> pieces = {
      {"<unk>", 2}, {"a▁", 1}, {"b", 1}, {"▁", 1}, {"a", 1}};
  const auto tokenizer =
      Tokenizer::open(folder.write("m.model", llm::test::sentencepiece_model(pieces, false, true)));
  EXPECT_EQ(tokenizer->encode("ab a").ids, (Ids{4, 2, 3, 1}));
  EXPECT_EQ(tokenizer->encode("ab").offsets, (std::vector<llm::ByteSpan>{{0, 1}, {1, 2}, {2, 2}}));
  const llm::Encoding encoding = tokenizer->encode("  a b ab   ");
  EXPECT_EQ(encoding.ids, (Ids{1, 2, 3, 4, 2, 3}));
  EXPECT_EQ(encoding.offsets,
            (std::vector<llm::ByteSpan>{{2, 4}, {4, 5}, {5, 6}, {6, 7}, {7, 8}, {8, 8}}));
  EXPECT_TRUE(tokenizer->encode("   ").ids.empty());
}

TEST(Tokenizer, NamesWhatItDoesNotImplement) {
  const TempDir folder;
  const auto refuse = [&](const char* pointer, const Json& value, ErrorCode code,
                          const std::string& part) {
    Json json = vector_named("clip");
    json[Json::json_pointer(pointer)] = value;
    const auto file = folder.write("tokenizer.json", json.dump());
    expect_error(code, part, [&] { Tokenizer::open(file); });
  };
  for (const char* step : {"normalizer", "pre_tokenizer", "post_processor", "decoder", "model"}) {
    refuse(("/" + std::string(step)).c_str(), {{"type", "Fancy"}}, ErrorCode::unsupported,
           "\"Fancy\"");
  }
  refuse("/model/dropout", 0.1, ErrorCode::unsupported, "dropout");
  refuse("/pre_tokenizer/pattern", {{"Regex", "(("}}, ErrorCode::unsupported, "((");
  refuse("/model/vocab/zzz", 3, ErrorCode::bad_format, "id 3");
  refuse("/model/vocab/zzz", -1, ErrorCode::bad_format, "id -1");
  refuse("/model/vocab/zzz", 1LL << 40, ErrorCode::bad_format, "1099511627776");
  refuse("/model/merges/0", {"q", "zz"}, ErrorCode::bad_format, "vocabulary");
  refuse("/model/merges/0", 7, ErrorCode::bad_format, "two tokens");
  refuse("/model", nullptr, ErrorCode::bad_format, "model");
  expect_error(ErrorCode::file_not_found, "no tokenizer",
               [&] { Tokenizer::open(TempDir().path()); });
  expect_error(ErrorCode::file_not_found, "nowhere",
               [&] { Tokenizer::open(folder.path() / "nowhere"); });
}

TEST(Tokenizer, LongWordsTakeNoSquareOfTheirLength) {
  const TempDir folder;
  for (const char* name : {"gpt2", "llama", "unigram", "bert"}) {
    const auto tokenizer =
        Tokenizer::open(folder.write("tokenizer.json", vector_named(name).dump()));
    const std::string text(1'000'000, 'o');
    const auto start = std::chrono::steady_clock::now();
    const llm::Encoding encoding = tokenizer->encode(text);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << name;
    EXPECT_FALSE(encoding.ids.empty());
  }
}

TEST(Tokenizer, IsSharedByThreads) {
  const TempDir folder;
  const auto tokenizer =
      Tokenizer::open(folder.write("tokenizer.json", vector_named("llama3").dump()));
  const Ids expected = tokenizer->encode("Hello low lower 123 don't").ids;
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (std::size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) {
        equal[i] += tokenizer->encode("Hello low lower 123 don't").ids == expected ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, std::vector<int>(4, 200));
}

}  // namespace
