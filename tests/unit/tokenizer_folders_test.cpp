// Folders of old tokenizer files, of every class that the reference opens without a tokenizer.json,
// against what the reference made of the same texts (tests/support/make_tokenizer_folders.py).
#include <filesystem>

#include "llm/tokenizer/tokenizer.hpp"
#include "support/catch_error.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"
#include "support/tokenizer_files.hpp"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Ids = std::vector<llm::TokenId>;
using llm::ErrorCode;
using llm::Tokenizer;
using llm::test::expect_error;
using llm::test::read_json_rows;
using llm::test::TempDir;

const fs::path data = LLM_SOURCE_DIR "/tests/unit/data/folders";

// A copy of one of the folders, to be changed.
void copy(const std::string& name, const TempDir& to) {
  for (const auto& entry : fs::directory_iterator(data / name)) {
    fs::copy(entry.path(), to.path() / entry.path().filename());
  }
}

class TokenizerFolder : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerFolder, EqualsTheReference) {
  const auto tokenizer = Tokenizer::open(data / GetParam());
  const std::vector<Json> texts = read_json_rows(data / "texts.jsonl");
  const std::vector<Json> expected = read_json_rows(data / GetParam() / "expected.jsonl");
  ASSERT_GE(texts.size(), 300U);
  ASSERT_EQ(texts.size(), expected.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i]["text"];
    SCOPED_TRACE(text);
    const llm::EncodeOptions options{.add_special_tokens = texts[i].value("special", true),
                                     .is_target = texts[i].value("target", false)};
    const llm::Encoding encoding =
        texts[i].contains("pair")
            ? tokenizer->encode_pair(text, texts[i]["pair"].get<std::string>(), options)
            : tokenizer->encode(text, options);
    EXPECT_EQ(encoding.ids, expected[i][0].get<Ids>());
    if (!expected[i][1].is_null()) {
      std::vector<std::size_t> offsets;
      for (const llm::ByteSpan& span : encoding.offsets) {
        offsets.insert(offsets.end(), {span.begin, span.end});
      }
      EXPECT_EQ(offsets, expected[i][1].get<std::vector<std::size_t>>());
    }
    EXPECT_EQ(tokenizer->decode(encoding.ids), expected[i][2]);
    EXPECT_EQ(tokenizer->decode(encoding.ids, {.skip_special_tokens = false}), expected[i].back());
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerFolder,
                         testing::Values("openai-gpt", "gpt2", "roberta", "xlm-roberta",
                                         "camembert", "mbart", "mbart50", "pegasus", "marian", "t5",
                                         "llama", "gguf-bert", "gguf-t5", "gguf-xlm-roberta"));

class TokenizerWords : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerWords, AreTheReferences) {
  const auto tokenizer = Tokenizer::open(data / GetParam());
  const std::vector<Json> texts = read_json_rows(data / "texts.jsonl");
  const std::vector<Json> expected = read_json_rows(data / GetParam() / "words.jsonl");
  ASSERT_EQ(texts.size(), expected.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i]["text"];
    const llm::EncodeOptions options{.add_special_tokens = texts[i].value("special", true)};
    const llm::Encoding encoding =
        texts[i].contains("pair")
            ? tokenizer->encode_pair(text, texts[i]["pair"].get<std::string>(), options)
            : tokenizer->encode(text, options);
    EXPECT_EQ(encoding.words, expected[i].get<std::vector<std::int32_t>>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerWords,
                         testing::Values("openai-gpt", "gpt2", "roberta", "xlm-roberta",
                                         "camembert", "mbart", "mbart50", "pegasus", "t5",
                                         "llama"));

TEST(TokenizerFolders, KnowTheirLanguages) {
  const auto mbart = Tokenizer::open(data / "mbart");  // src_lang fr_XX, tgt_lang de_DE
  const auto ends = [&](const llm::EncodeOptions& options) {
    const Ids ids = mbart->encode("cat", options).ids;
    return Ids(ids.end() - 2, ids.end());
  };
  EXPECT_EQ(mbart->id("fr_XX"), 168);
  EXPECT_EQ(ends({}), (Ids{2, 168}));
  EXPECT_EQ(ends({.is_target = true}), (Ids{2, 163}));
  EXPECT_EQ(ends({.language = "en_XX"}), (Ids{2, 164}));
  expect_error(ErrorCode::invalid_option, "\"xx_XX\"", [&] { ends({.language = "xx_XX"}); });

  const auto fifty = Tokenizer::open(data / "mbart50");
  EXPECT_EQ(fifty->encode("cat", {.language = "sl_SI"}).ids.front(), fifty->id("sl_SI"));
  EXPECT_EQ(fifty->encode("cat").ids.back(), 2);

  const auto marian = Tokenizer::open(data / "marian");
  const Ids marked = marian->encode(">>deu<< a cat").ids;
  EXPECT_EQ(marked.front(), 3);
  EXPECT_EQ(marian->encode("a cat", {.language = "deu"}).ids, marian->encode(">>deu<<a cat").ids);
  expect_error(ErrorCode::invalid_option, "\"xyz\"",
               [&] { marian->encode("a", {.language = "xyz"}); });
  expect_error(ErrorCode::invalid_option, "marks no languages",
               [&] { Tokenizer::open(data / "t5")->encode("a", {.language = "deu"}); });
}

// Values below are the reference's for the same files.
TEST(TokenizerFolders, FollowTheFilesBesideTheVocabulary) {
  {
    const TempDir folder;
    copy("xlm-roberta", folder);
    folder.write("tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizer"})");
    folder.write("added_tokens.json", R"({"<x>": 162})");
    const auto tokenizer = Tokenizer::open(folder.path());
    EXPECT_EQ(tokenizer->encode("Hello  <x> <mask> x</s><mask>").ids,
              (Ids{0, 114, 162, 161, 10, 3, 2, 161, 2}));
    EXPECT_EQ(tokenizer->vocab_size(), 163);
    EXPECT_FALSE(tokenizer->is_special(162));
    EXPECT_EQ(tokenizer->special().mask, 161);
    EXPECT_EQ(tokenizer->special().cls, 0);
  }
  {
    const TempDir folder;
    copy("pegasus", folder);
    folder.write("tokenizer_config.json", R"({"tokenizer_class": "PegasusTokenizer",
        "mask_token": "<mask_2>", "mask_token_sent": "<mask_1>", "offset": 103})");
    const auto tokenizer = Tokenizer::open(folder.path());
    EXPECT_EQ(tokenizer->id("<mask_2>"), 2);
    EXPECT_EQ(tokenizer->id("<mask_1>"), 3);
    EXPECT_EQ(tokenizer->vocab_size(), 263);
    EXPECT_EQ(tokenizer->encode("Hello", {}).ids, (Ids{216, 1}));
  }
  {
    const TempDir folder;
    copy("camembert", folder);
    folder.write("tokenizer_config.json", R"({"tokenizer_class": "CamembertTokenizerFast",
        "additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"]})");
    const auto tokenizer = Tokenizer::open(folder.path());
    EXPECT_EQ(tokenizer->encode("Hello  <x> <mask> x</s><mask>").ids,
              (Ids{5, 117, 13, 3, 164, 13, 3, 6, 164, 6}));
    EXPECT_TRUE(tokenizer->is_special(0));
  }
  {
    const TempDir folder;
    copy("llama", folder);
    folder.write("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer",
        "legacy": true, "add_bos_token": false, "add_eos_token": true})");
    EXPECT_EQ(Tokenizer::open(folder.path())->encode("Hello  <x> <mask> x</s><mask>").ids,
              (Ids{290, 336, 291, 293, 281, 290, 290, 63, 123, 65,  290, 63,  319, 297,
                   301, 311, 65,  290, 123, 2,   290, 63, 319, 297, 301, 311, 65,  2}));
  }
}

TEST(TokenizerFolders, AreChosenByTheModelTypeToo) {
  const std::vector<std::pair<const char*, const char*>> kinds = {
      {"xlm-roberta", "xlm-roberta"}, {"camembert", "camembert"}, {"t5", "mt5"},
      {"pegasus", "pegasus"},         {"marian", "marian"},       {"roberta", "bart"}};
  for (const auto& [name, model_type] : kinds) {
    const TempDir folder;
    copy(name, folder);
    fs::remove(folder.path() / "tokenizer_config.json");
    folder.write("config.json", Json{{"model_type", model_type}}.dump());
    EXPECT_EQ(Tokenizer::open(folder.path())->encode("a cat <mask>").ids,
              Tokenizer::open(data / name)->encode("a cat <mask>").ids)
        << model_type;
  }
}

TEST(TokenizerFolders, SayWhichFileIsUsed) {
  const TempDir folder;
  copy("t5", folder);
  folder.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]");
  auto files = Tokenizer::files(folder.path());
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].file.filename(), "spiece.model");
  EXPECT_EQ(files[0].tokens, 130U);
  EXPECT_NE(files[0].note.find("is used"), std::string::npos);
  EXPECT_EQ(files[1].tokens, 3U);
  EXPECT_EQ(files[1].note,
            "vocab.txt (3 tokens) is not used: spiece.model wins, whose vocabulary has another "
            "size (130 tokens; tokens added later may be counted in one of them only)");
  folder.write("tokenizer.json", "{}");
  files = Tokenizer::files(folder.path());
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].tokens, std::nullopt);
  EXPECT_EQ(Tokenizer::files(data / "marian").size(), 1U);
  EXPECT_TRUE(Tokenizer::files(TempDir().path()).empty());
}

TEST(TokenizerFolders, RefuseWhatIsDamaged) {
  const auto refuse = [](const char* name, const char* file, const std::string& bytes,
                         const std::string& part) {
    const TempDir folder;
    copy(name, folder);
    folder.write(file, bytes);
    expect_error(ErrorCode::bad_format, part, [&] { Tokenizer::open(folder.path()); });
  };
  for (const char* name : {"xlm-roberta", "camembert", "mbart", "mbart50"}) {
    refuse(name, "sentencepiece.bpe.model", "", "no pieces");
    refuse(name, "sentencepiece.bpe.model", "hello", "not a sentencepiece model");
    refuse(name, "sentencepiece.bpe.model", std::string("\x0A\x7F", 2), "bytes");
    refuse(name, "sentencepiece.bpe.model", llm::test::sentencepiece_model({{"<unk>", 2}}, false),
           "pieces, expected more than");
    refuse(name, "sentencepiece.bpe.model", llm::test::sentencepiece_model({{"\xFF", 2}}, false),
           "UTF-8");
  }
  refuse("t5", "tokenizer_config.json", R"({"tokenizer_class": "T5Tokenizer", "extra_ids": -1})",
         "extra_ids");
  refuse("pegasus", "tokenizer_config.json",
         R"({"tokenizer_class": "PegasusTokenizer", "offset": 99999999})", "offset");
  refuse("mbart", "tokenizer_config.json",
         R"({"tokenizer_class": "MBartTokenizer", "src_lang": "french"})", "french");
  refuse("t5", "added_tokens.json", R"({"<x>": "one"})", "<x>");
  refuse("t5", "special_tokens_map.json", R"({"additional_special_tokens": 3})", "list of tokens");
  refuse("marian", "source.spm", "", "source.spm");
  refuse("marian", "target.spm", "x", "target.spm");
  refuse("marian", "vocab.json", R"({"a": 0})", "unknown token");
  refuse("marian", "vocab.json", R"({"<unk>": 0, "a": 0})", "id 0");
  refuse("marian", "vocab.json", R"(["<unk>"])", "token: id");
  refuse("openai-gpt", "merges.txt", "a b c\n", "a b c");
  refuse("openai-gpt", "merges.txt", "h\xFF i\n", "UTF-8");
  refuse("openai-gpt", "merges.txt", "q zz\n", "belong together");
  const TempDir folder;
  copy("marian", folder);
  fs::remove(folder.path() / "target.spm");
  fs::remove(folder.path() / "source.spm");
  expect_error(ErrorCode::file_not_found, "not merges.txt",
               [&] { Tokenizer::open(folder.path()); });
}

}  // namespace
