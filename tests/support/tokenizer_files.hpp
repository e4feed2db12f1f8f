// Small tokenizer files made in the test: GGUF vocabularies and sentencepiece models.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/write_gguf.hpp"

namespace llm::test {

// A byte-level vocabulary of the 256 letters ("ids" of the bytes in order), the merges h+e, he+l
// and l+o, and "<end>" as a control token.
GgufWriter byte_level_gguf(const std::string& pre);

// A sentencepiece vocabulary with scores: ▁ a b ▁a ab ▁ab and all byte tokens.
GgufWriter sentencepiece_gguf();

// A sentencepiece model file; scores are unimportant. Pieces: text and type (1 normal, 2 unknown,
// 3 control, 4 user defined, 6 byte).
std::string sentencepiece_model(const std::vector<std::pair<std::string, int>>& pieces, bool bpe,
                                bool space_is_suffix = false);

}  // namespace llm::test
