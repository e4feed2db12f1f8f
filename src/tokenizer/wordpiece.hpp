// The two models that look words up: WordPiece (longest prefix first, as in BERT) and WordLevel.
#pragma once

#include "tokenizer/model.hpp"

namespace llm::detail {

struct WordPieceOptions {
  std::string unk_token = "[UNK]";
  std::string continuing_subword_prefix = "##";
  std::int64_t max_input_chars_per_word = 100;
};

// Throws Error (bad_format) when the unknown token is not in the vocabulary.
std::unique_ptr<TokenModel> make_wordpiece(Vocabulary vocabulary, WordPieceOptions options,
                                           const std::string& where);
// Read a "model" of type WordPiece or WordLevel.
std::unique_ptr<TokenModel> read_wordpiece(const Json& json, const std::string& where);
std::unique_ptr<TokenModel> read_wordlevel(const Json& json, const std::string& where);

}  // namespace llm::detail
