// Every component of a tokenizer.json on its own, against what the reference library made of the
// same texts with it (tests/support/make_component_vectors.py).

#include "llm/tokenizer/tokenizer.hpp"
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

std::vector<Json> rows() {
  return llm::test::read_json_rows(LLM_SOURCE_DIR "/tests/unit/data/components.jsonl");
}

void expect_encoding(const Tokenizer& tokenizer, const Json& test) {
  const std::string text = test["text"];
  SCOPED_TRACE(test["text"].dump());
  const llm::Encoding encoding = test.contains("pair")
                                     ? tokenizer.encode_pair(text, test["pair"].get<std::string>())
                                     : tokenizer.encode(text);
  EXPECT_EQ(encoding.ids, test["ids"].get<Ids>());
  std::vector<llm::ByteSpan> offsets;
  for (const Json& run : test["offsets"]) {
    offsets.insert(offsets.end(), run[2].get<std::size_t>(), llm::ByteSpan{run[0], run[1]});
  }
  EXPECT_EQ(encoding.offsets, offsets);
  const std::vector<std::int32_t> zeros(encoding.ids.size());
  EXPECT_EQ(encoding.type_ids,
            test.contains("types") ? test["types"].get<std::vector<std::int32_t>>() : zeros);
  EXPECT_EQ(tokenizer.decode(encoding.ids), test["decoded"]);
}

// A decoder sees tokens, so they are the vocabulary.
void expect_decoding(Json json, const Json& test, const TempDir& folder) {
  Ids ids;
  Json vocabulary = Json::object();
  for (const Json& token : test["tokens"]) {
    const std::string spelled = token;
    if (!vocabulary.contains(spelled)) vocabulary[spelled] = vocabulary.size();
    ids.push_back(vocabulary[spelled]);
  }
  json["model"] = {{"type", "WordLevel"}, {"vocab", vocabulary}, {"unk_token", ""}};
  SCOPED_TRACE(test["tokens"].dump());
  const auto tokenizer = Tokenizer::open(folder.write("tokenizer.json", json.dump()));
  EXPECT_EQ(tokenizer->decode(ids), test["decoded"]);
}

TEST(TokenizerComponents, EqualTheReference) {
  const TempDir folder;
  const std::vector<Json> all = rows();
  ASSERT_GE(all.size(), 80U);
  for (const Json& row : all) {
    SCOPED_TRACE(row["name"].get<std::string>());
    Json json = row["parts"];
    if (!json.contains("model")) json["model"] = all.front()["parts"]["model"];
    const auto tokenizer = Tokenizer::open(folder.write("tokenizer.json", json.dump()));
    for (const Json& test : row["cases"]) {
      if (test.contains("text")) {
        expect_encoding(*tokenizer, test);
      } else {
        expect_decoding(json, test, folder);
      }
    }
  }
}

TEST(TokenizerComponents, WordsWithoutAnUnknownTokenAreRefused) {
  const TempDir folder;
  const auto refuse = [&](const Json& model) {
    const auto tokenizer =
        Tokenizer::open(folder.write("tokenizer.json", Json{{"model", model}}.dump()));
    expect_error(ErrorCode::invalid_input, "\"b", [&] { tokenizer->encode("b"); });
  };
  refuse({{"type", "WordLevel"}, {"vocab", {{"a", 0}}}, {"unk_token", "<unk>"}});
  refuse({{"type", "Unigram"}, {"vocab", Json::array({Json::array({"a", -1.0})})}});
}

// transformers switches both off unless a call asks for them, and so does this library.
TEST(TokenizerComponents, TruncationAndPaddingOfTheFileAreLeftToTheCaller) {
  const TempDir folder;
  Json json = {{"model", rows().front()["parts"]["model"]},
               {"truncation", {{"max_length", 2}, {"strategy", "LongestFirst"}, {"stride", 0}}},
               {"padding", {{"strategy", {{"Fixed", 9}}}, {"pad_id", 0}}}};
  const auto tokenizer = Tokenizer::open(folder.write("tokenizer.json", json.dump()));
  EXPECT_EQ(tokenizer->encode("ab").ids, (Ids{'a' + 1, 'b' + 1}));
}

TEST(TokenizerComponents, SettingsThatMakeNoSenseAreRefused) {
  const TempDir folder;
  const auto refuse = [&](const char* part, const Json& value, ErrorCode code, const char* say) {
    const Json json = {{"model", rows().front()["parts"]["model"]}, {part, value}};
    expect_error(code, say, [&] { Tokenizer::open(folder.write("tokenizer.json", json.dump())); });
  };
  const Json fixed = {{"type", "FixedLength"}, {"length", 0}};
  refuse("pre_tokenizer", fixed, ErrorCode::bad_format, "at least 1");
  refuse("pre_tokenizer", {{"type", "CharDelimiterSplit"}, {"delimiter", "ab"}},
         ErrorCode::bad_format, "one character");
  refuse("pre_tokenizer", {{"type", "UnicodeScripts"}}, ErrorCode::unsupported, "UnicodeScripts");
  refuse("decoder", {{"type", "CTC"}, {"pad_token", 3}}, ErrorCode::bad_format, "pad_token");
}

}  // namespace
