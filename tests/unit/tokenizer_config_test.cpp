// What the small files beside a tokenizer.json do to it, against both versions of the reference
// (tests/support/make_tokenizer_config_vectors.py).
#include <gtest/gtest.h>

#include "llm/tasks/text_tokens.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "support/json_rows.hpp"
#include "support/temp_dir.hpp"

namespace {

using OrderedJson = nlohmann::ordered_json;  // the order of keys decides ids
using Ids = std::vector<llm::TokenId>;
using llm::test::TempDir;

void write_files(const TempDir& folder, OrderedJson tokenizer, const OrderedJson& row) {
  for (const auto& [field, value] : row["set"].items()) tokenizer[field] = value;
  folder.write("tokenizer.json", tokenizer.dump());
  for (const auto& [name, content] : row["files"].items()) folder.write(name, content.dump());
}

void expect_special(const llm::SpecialTokens& special, const OrderedJson& expected) {
  const std::optional<llm::TokenId> found[] = {special.bos, special.eos, special.unk, special.sep,
                                               special.pad, special.cls, special.mask};
  for (std::size_t i = 0; i < std::size(found); ++i) {
    const OrderedJson& id = expected[i];
    EXPECT_EQ(found[i], id.is_null() ? std::nullopt : std::optional(id.get<llm::TokenId>())) << i;
  }
}

// The reference's tokenizer(text, truncation=True, max_length=7).
void expect_cut(const llm::Tokenizer& tokenizer, const std::string& text,
                const OrderedJson& expected) {
  const llm::TextEncoder encoder(tokenizer, {}, llm::TokenLimit{7, "the test"});
  const auto cut = [&](const llm::TaskText& texts) {
    return encoder.encode(texts, llm::Truncation::longest_first).encoding.ids;
  };
  EXPECT_EQ(cut({text}), expected[0].get<Ids>());
  EXPECT_EQ(cut({text, "low"}), expected[1].get<Ids>());
}

// Where the versions of the reference differ, or its class does more than tokenize:
// CodeLlama's pair is what stands before and behind a gap; here it is two texts.
bool fills_gaps(const OrderedJson& row) {
  return row["name"].get<std::string>().starts_with("CodeLlamaTokenizer");
}
// Version 4 pads LLaMA's kin on the left where the folder does not say, version 5 on the right.
bool says_side(const OrderedJson& row) {
  return row["files"]["tokenizer_config.json"].contains("padding_side");
}
// Version 5 has no default names of special tokens in folders with a tokenizer.json.
bool has_default_names(const OrderedJson& row) { return row["name"] == "XLMRobertaTokenizer "; }

void expect_equal(const llm::Tokenizer& tokenizer, const OrderedJson& row) {
  const std::string text = row["text"], decoded = row["decoded"];
  const Ids ids = tokenizer.encode(text).ids;
  const llm::Encoding pair = tokenizer.encode_pair(text, "low");
  EXPECT_EQ(ids, row["ids"].get<Ids>());
  if (!fills_gaps(row)) {
    EXPECT_EQ(pair.ids, row["pair"].get<Ids>());
  }
  if (row.contains("types")) {
    EXPECT_EQ(pair.type_ids, row["types"].get<std::vector<int>>());
  }
  if (row.contains("cut")) expect_cut(tokenizer, text, row["cut"]);
  EXPECT_EQ(tokenizer.decode(ids), decoded);
  EXPECT_EQ(tokenizer.decode(ids, {.skip_special_tokens = false}), row.value("all", decoded));
  if (!fills_gaps(row) && !has_default_names(row)) {
    EXPECT_EQ(tokenizer.vocab_size(), row["size"]);
  }
  EXPECT_EQ(tokenizer.max_length().value_or(0), row.value("max_length", 0));
  if (says_side(row) || !tokenizer.pads_left()) {
    EXPECT_EQ(tokenizer.pads_left(), row["left"]);
  }
  if (!has_default_names(row)) expect_special(tokenizer.special(), row["special"]);
}

TEST(TokenizerConfig, EqualsTheReference) {
  std::ifstream in(LLM_SOURCE_DIR "/tests/unit/data/tokenizer_configs.jsonl", std::ios::binary);
  std::map<std::string, OrderedJson> bases;
  int count = 0;
  for (const OrderedJson& row : llm::test::read_rows<OrderedJson>(std::move(in))) {
    if (row.contains("json")) {
      bases[row["base"]] = row["json"];
      continue;
    }
    SCOPED_TRACE(row["name"].get<std::string>());
    const TempDir folder;
    write_files(folder, bases.at(row["base"]), row);
    expect_equal(*llm::Tokenizer::open(folder.path()), row);
    ++count;
  }
  EXPECT_GE(count, 300);
}

}  // namespace
