// Ids and decodings of real tokenizers against vectors that other projects and the reference
// library made. Needs the shared files; skipped without them.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "llm/tokenizer/tokenizer.hpp"
#include "support/json_rows.hpp"
#include "support/read_text.hpp"
#include "support/shared_files.hpp"

namespace {

using Json = nlohmann::json;
using Ids = std::vector<llm::TokenId>;

const std::filesystem::path shared = llm::test::shared_files();

// A vector file and the tokenizer it belongs to, both below the shared folder.
struct Pair {
  const char* vectors;
  const char* tokenizer;
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.vectors; }

class GeneratedVectors : public testing::TestWithParam<Pair> {};

// Rows of "vectors/generated": made by the tokenizers library (hf_*) or by sentencepiece (sp_*).
TEST_P(GeneratedVectors, AreMet) {
  const auto file = shared / "vectors/generated" / GetParam().vectors;
  const auto path = shared / GetParam().tokenizer;
  if (!exists(file) || !exists(path)) GTEST_SKIP() << "no " << file;
  const auto tokenizer = llm::Tokenizer::open(path);
  const auto pad = tokenizer->id("[PAD]");
  for (const Json& row : llm::test::read_json_rows(file)) {
    const std::string text = row["text"];
    Ids expected = row["ids"];
    // One file pads to a fixed length, which is the caller's business here.
    while (pad && !expected.empty() && expected.back() == *pad) expected.pop_back();
    EXPECT_EQ(tokenizer->encode(text).ids, expected) << text;
    EXPECT_EQ(tokenizer->decode(expected), row["decoded"]) << text;
    if (!row.contains("ids_no_special")) continue;
    Ids plain = row["ids_no_special"];
    while (pad && !plain.empty() && plain.back() == *pad) plain.pop_back();
    EXPECT_EQ(tokenizer->encode(text, {.add_special_tokens = false}).ids, plain) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GeneratedVectors,
    testing::Values(Pair{"hf_gpt2-tarot-aitextgen.jsonl",
                         "checkpoints/gpt2-tarot-aitextgen/tokenizer.json"},
                    Pair{"hf_tok-bert-uncased.jsonl", "tokenizers/bert-uncased/tokenizer.json"},
                    Pair{"hf_tok-clip.jsonl", "tokenizers/clip/tokenizer.json"},
                    Pair{"hf_tok-codegen-phi2.jsonl", "tokenizers/codegen-phi2/tokenizer.json"},
                    Pair{"hf_tok-falcon.jsonl", "tokenizers/falcon/tokenizer.json"},
                    Pair{"hf_tok-gpt2.jsonl", "tokenizers/gpt2/tokenizer.json"},
                    Pair{"hf_tok-nmt-bpe-spm.jsonl", "tokenizers/nmt-bpe-spm/tokenizer.json"},
                    Pair{"hf_tok-phi3-llama.jsonl", "tokenizers/phi3-llama/tokenizer.json"},
                    Pair{"hf_tok-roberta-base.jsonl", "tokenizers/roberta-base/tokenizer.json"},
                    Pair{"hf_tok-smollm2.jsonl", "tokenizers/smollm2/tokenizer.json"},
                    Pair{"hf_tok-t5-spiece.jsonl", "tokenizers/t5-spiece/tokenizer.json"},
                    Pair{"sp_nmt-joint.jsonl", "tokenizers/nmt-bpe-spm/vocab.joint.spm"},
                    Pair{"sp_stories260k.jsonl", "checkpoints/llama-stories260K/tokenizer.model"},
                    Pair{"sp_t5.jsonl", "tokenizers/t5-spiece/spiece.model"}));

// The same vocabulary from different files gives the same ids.
INSTANTIATE_TEST_SUITE_P(
    OtherFiles, GeneratedVectors,
    testing::Values(Pair{"hf_tok-smollm2.jsonl", "tokenizers/smollm2"},
                    Pair{"hf_tok-roberta-base.jsonl", "tokenizers/roberta-base"},
                    Pair{"hf_tok-gpt2.jsonl", "vectors/llamacpp/ggml-vocab-gpt-2.gguf"},
                    Pair{"hf_tok-bert-uncased.jsonl",
                         "vectors/llamacpp/ggml-vocab-bert-bge.gguf"}));

struct SwiftPair {
  const char* name;
  const char* tokenizer;
  bool clean_up = true;     // the vector was decoded with clean_up_tokenization_spaces
  bool only_plain = false;  // the vector adds special tokens that this file does not
};
void PrintTo(const SwiftPair& pair, std::ostream* out) { *out << pair.name; }

class SwiftVectors : public testing::TestWithParam<SwiftPair> {};

TEST_P(SwiftVectors, AreMet) {
  const auto file = shared / "vectors/swift-transformers/tokenizer_tests.json";
  if (!exists(file)) GTEST_SKIP() << "no " << file;
  const auto tokenizer = llm::Tokenizer::open(shared / GetParam().tokenizer);
  const bool clean_up = GetParam().clean_up;
  const Json all = Json::parse(llm::test::read_text(file));
  for (const Json& row : all.at(GetParam().name)) {
    const std::string text = row["input"];
    Ids expected = row["encoded"]["input_ids"];
    if (GetParam().only_plain) expected.erase(expected.begin());
    EXPECT_EQ(tokenizer->encode(text).ids, expected) << text;
    EXPECT_EQ(tokenizer->decode(expected, {.clean_up_spaces = clean_up}),
              row["decoded_without_special"])
        << text;
    if (GetParam().only_plain) continue;
    EXPECT_EQ(
        tokenizer->decode(expected, {.skip_special_tokens = false, .clean_up_spaces = clean_up}),
        row["decoded_with_special"])
        << text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SwiftVectors,
    testing::Values(SwiftPair{"bert-base-uncased", "tokenizers/bert-uncased/tokenizer.json"},
                    SwiftPair{"google-bert/bert-base-uncased",
                              "tokenizers/bert-uncased/tokenizer.json"},
                    SwiftPair{"distilgpt2", "tokenizers/gpt2/tokenizer.json"},
                    SwiftPair{"tiiuae/falcon-7b", "tokenizers/falcon/tokenizer.json"},
                    SwiftPair{"t5-base", "tokenizers/t5-spiece/tokenizer.json"},
                    SwiftPair{"coreml-projects/Llama-2-7b-chat-coreml",
                              "tokenizers/phi3-llama/tokenizer.json", false, true}));

TEST(SwiftVectorsOfBert, QuestionsAreMet) {
  const auto folder = shared / "vectors/swift-transformers";
  if (!exists(folder)) GTEST_SKIP() << "no " << folder;
  const auto tokenizer = llm::Tokenizer::open(shared / "tokenizers/bert-uncased/tokenizer.json");
  const Json questions =
      Json::parse(llm::test::read_text(folder / "bert_tokenized_questions.json"));
  const Json tokens = Json::parse(llm::test::read_text(folder / "bert_question_tokens.json"));
  const Json* ids = &questions;
  const Json* texts = &tokens;
  if (!texts->at(0).is_object()) std::swap(ids, texts);
  ASSERT_EQ(ids->size(), texts->size());
  std::size_t off = 0;
  for (std::size_t i = 0; i < texts->size(); ++i) {
    const std::string text = texts->at(i)["original"];
    const llm::Encoding encoding = tokenizer->encode(text, {.add_special_tokens = false});
    std::vector<std::string> pieces;
    for (const llm::TokenId id : encoding.ids) pieces.push_back(tokenizer->token(id));
    off += pieces != texts->at(i)["wordpiece"].get<std::vector<std::string>>() ? 1 : 0;
    if (ids->at(i).at(0).is_number()) off += encoding.ids != ids->at(i).get<Ids>() ? 1 : 0;
  }
  EXPECT_EQ(off, 0U);
}

// Text and ids of llama.cpp, one text between two separators, one line of ids each.
class LlamaCppVectors : public testing::TestWithParam<Pair> {};

TEST_P(LlamaCppVectors, AreMet) {
  const auto base = shared / "vectors/llamacpp" / GetParam().vectors;
  const auto path = shared / GetParam().tokenizer;
  if (!std::filesystem::exists(base.string() + ".inp") || !exists(path))
    GTEST_SKIP() << "no " << base;
  const auto tokenizer = llm::Tokenizer::open(path);
  const std::string input = llm::test::read_text(base.string() + ".inp");
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::ifstream out(base.string() + ".out");
  std::size_t begin = 0;
  for (std::string line; std::getline(out, line);) {
    const std::size_t end = std::min(input.find(separator, begin), input.size());
    const std::string text = input.substr(begin, end - begin);
    begin = std::min(end + separator.size(), input.size());
    std::istringstream numbers(line);
    const Ids expected{std::istream_iterator<llm::TokenId>(numbers), {}};
    EXPECT_EQ(tokenizer->encode(text, {.add_special_tokens = false}).ids, expected) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, LlamaCppVectors,
    testing::Values(Pair{"ggml-vocab-gpt-2.gguf", "vectors/llamacpp/ggml-vocab-gpt-2.gguf"},
                    Pair{"ggml-vocab-llama-spm.gguf", "vectors/llamacpp/ggml-vocab-llama-spm.gguf"},
                    Pair{"ggml-vocab-bert-bge.gguf", "vectors/llamacpp/ggml-vocab-bert-bge.gguf"},
                    Pair{"ggml-vocab-gpt-2.gguf", "tokenizers/gpt2/tokenizer.json"},
                    Pair{"ggml-vocab-llama-spm.gguf", "tokenizers/phi3-llama/tokenizer.json"},
                    Pair{"ggml-vocab-phi-3.gguf", "tokenizers/phi3-llama/tokenizer.json"},
                    Pair{"ggml-vocab-falcon.gguf", "tokenizers/falcon/tokenizer.json"},
                    Pair{"ggml-vocab-roberta-bpe.gguf", "tokenizers/roberta-base/tokenizer.json"},
                    Pair{"ggml-vocab-bert-bge.gguf", "tokenizers/bert-uncased/tokenizer.json"}));

}  // namespace
