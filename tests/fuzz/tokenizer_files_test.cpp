// Damaged tokenizer files: opening and using them ends in success or in llm::Error.
#include "support/tokenizer_files.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/mutate.hpp"
#include "support/temp_dir.hpp"

namespace {

using llm::Tokenizer;
using llm::test::Mutator;
using llm::test::TempDir;

constexpr const char* text = "Hello <s> don't 123 世界 e\u0301 😀<end>\t\n  low";

// Opens `bytes` as the file `name`; true when that worked.
bool try_to_use(const TempDir& folder, const std::string& name, const std::string& bytes) {
  try {
    const auto tokenizer = Tokenizer::open(folder.write(name, bytes));
    const llm::Encoding encoding = tokenizer->encode(text);
    EXPECT_EQ(encoding.ids.size(), encoding.offsets.size());
    for (const llm::ByteSpan& span : encoding.offsets) {
      EXPECT_LE(span.begin, span.end);
      EXPECT_LE(span.end, std::string_view(text).size());
    }
    (void)tokenizer->decode(encoding.ids);
    (void)tokenizer->encode_pair(text, "b");
    return true;
  } catch (const llm::Error& error) {
    EXPECT_NE(error.code(), llm::ErrorCode::internal);
    return false;
  }
}

TEST(FuzzTokenizer, DamagedTokenizerJson) {
  const TempDir folder;
  Mutator mutate(5);
  std::ifstream in(LLM_SOURCE_DIR "/tests/unit/data/tokenizers.jsonl", std::ios::binary);
  int opened = 0;
  for (std::string line; std::getline(in, line);) {
    nlohmann::json json = nlohmann::json::parse(line)["json"];
    const std::string whole = json.dump();
    // The steps are small beside the vocabulary: damage them on their own, too.
    nlohmann::json vocabulary = json["model"]["vocab"];
    json["model"].erase("vocab");
    const std::string steps = json.dump();
    for (int i = 0; i < 40; ++i) {
      opened += try_to_use(folder, "tokenizer.json", mutate(whole)) ? 1 : 0;
      nlohmann::json damaged = nlohmann::json::parse(mutate(steps), nullptr, false);
      if (!damaged.is_object() || !damaged["model"].is_object()) continue;
      damaged["model"]["vocab"] = vocabulary;
      std::string bytes;
      bytes = damaged.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      opened += try_to_use(folder, "tokenizer.json", bytes) ? 1 : 0;
    }
  }
  EXPECT_GT(opened, 20);
}

TEST(FuzzTokenizer, DamagedGgufVocabulary) {
  const TempDir folder;
  Mutator mutate(6);
  const std::string byte_level = llm::test::byte_level_gguf("gpt-2").bytes();
  const std::string sentencepiece = llm::test::sentencepiece_gguf().bytes();
  for (int i = 0; i < 300; ++i) {
    (void)try_to_use(folder, "m.gguf", mutate(byte_level));
    (void)try_to_use(folder, "m.gguf", mutate(sentencepiece));
  }
}

TEST(FuzzTokenizer, DamagedSentencepieceModel) {
  const TempDir folder;
  Mutator mutate(7);
  const std::vector<std::pair<std::string, int>> pieces = {
      {"<unk>", 2}, {"<s>", 3}, {"</s>", 3}, {"▁low", 1}, {"o", 1}, {"▁", 1}, {"Hello", 4}};
  for (const bool bpe : {false, true}) {
    const std::string model = llm::test::sentencepiece_model(pieces, bpe);
    for (int i = 0; i < 400; ++i) (void)try_to_use(folder, "m.model", mutate(model));
  }
}

// Every old folder with one of its files damaged.
TEST(FuzzTokenizer, DamagedOldFolders) {
  Mutator mutate(9);
  namespace fs = std::filesystem;
  const fs::path data = LLM_SOURCE_DIR "/tests/unit/data/folders";
  for (const char* name : {"openai-gpt", "xlm-roberta", "camembert", "mbart50", "pegasus", "marian",
                           "t5", "llama", "gguf-bert", "gguf-t5"}) {
    const TempDir folder;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(data / name)) {
      if (entry.path().filename() == "expected.jsonl") continue;
      fs::copy(entry.path(), folder.path() / entry.path().filename());
      files.push_back(entry.path());
    }
    for (const fs::path& file : files) {
      std::ifstream in(file, std::ios::binary);
      const std::string whole{std::istreambuf_iterator<char>(in), {}};
      for (int i = 0; i < 40; ++i) {
        folder.write(file.filename().string(), mutate(whole));
        try {
          const auto tokenizer = Tokenizer::open(folder.path());
          (void)tokenizer->decode(tokenizer->encode(text).ids);
          (void)tokenizer->encode_pair(text, "b", {.is_target = true});
        } catch (const llm::Error& error) {
          EXPECT_NE(error.code(), llm::ErrorCode::internal) << name << ": " << error.what();
        }
        (void)Tokenizer::files(folder.path());
      }
      folder.write(file.filename().string(), whole);
    }
  }
}

// Every key that changes the steps of a tokenizer.json beside it or adds tokens to it.
TEST(FuzzTokenizer, DamagedKeysBesideATokenizerJson) {
  const TempDir folder;
  Mutator mutate(10);
  std::ifstream in(LLM_SOURCE_DIR "/tests/unit/data/tokenizers.jsonl", std::ios::binary);
  const std::string config =
      R"({"tokenizer_class":"LlamaTokenizer","bos_token":null,"add_eos_token":true,)"
      R"("add_prefix_space":false,"do_lower_case":false,"strip_accents":null,"extra_ids":3,)"
      R"("model_input_names":["input_ids"],"fix_mistral_regex":true,"max_len":9,)"
      R"("additional_special_tokens":["<x>",{"content":"<y>"}],"image_token":"<img>",)"
      R"("extra_special_tokens":{"a_token":"<a>"},"model_specific_special_tokens":{"b":"<b>"}})";
  int opened = 0, count = 0;
  for (std::string line; std::getline(in, line);) {
    folder.write("tokenizer.json", nlohmann::json::parse(line)["json"].dump());
    for (const char* name : {"Llama", "Bert", "Roberta", "GPT2", "T5", "Gemma", "MBart"}) {
      std::string bytes = config;
      bytes.replace(bytes.find("Llama"), 5, name);
      const std::string added = R"({"<x>":900,"<q>":1})";
      const int damaged = count++ % 3;
      folder.write("tokenizer_config.json", damaged == 0 ? mutate(bytes) : bytes);
      folder.write("special_tokens_map.json", damaged == 1 ? mutate(config) : config);
      folder.write("added_tokens.json", damaged == 2 ? mutate(added) : added);
      try {
        const auto tokenizer = Tokenizer::open(folder.path());
        (void)tokenizer->decode(tokenizer->encode(text).ids);
        (void)tokenizer->encode_pair(text, "b");
        ++opened;
      } catch (const llm::Error& error) {
        EXPECT_NE(error.code(), llm::ErrorCode::internal) << error.what();
      }
    }
  }
  EXPECT_GT(opened, 5);
}

TEST(FuzzTokenizer, DamagedSmallFiles) {
  const TempDir folder;
  Mutator mutate(8);
  folder.write("vocab.json", R"({"h":0,"e":1,"he":2,"<s>":3,"</s>":4,"Ġ":5})");
  folder.write("merges.txt", "h e\n");
  const std::string config =
      R"({"tokenizer_class":"RobertaTokenizer","bos_token":"<s>","add_bos_token":true,)"
      R"("added_tokens_decoder":{"6":{"content":"<x>","special":true}},"chat_template":"a"})";
  for (int i = 0; i < 300; ++i) {
    folder.write("tokenizer_config.json", mutate(config));
    try {
      (void)Tokenizer::open(folder.path())->encode(text);
    } catch (const llm::Error& error) {
      EXPECT_NE(error.code(), llm::ErrorCode::internal);
    }
  }
}

}  // namespace
