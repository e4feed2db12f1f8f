// sentencepiece's own way from text to pieces: its normalizer, then its Unigram or BPE search.
// The installed library is not asked to encode: versions before 0.2 break ties in another way than
// current ones, and their time grows with the square of a text of unknown letters.
#pragma once

#include <memory>
#include <string>

#include "tokenizer/model.hpp"
#include "tokenizer/normalizer.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/sentencepiece_model.hpp"

namespace llm::detail {

struct SentencepieceSteps {
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // may be absent
  std::unique_ptr<TokenModel> model;
};

// Throws Error (bad_format, unsupported).
SentencepieceSteps make_sentencepiece_steps(const SentencepieceModel& model,
                                            const std::string& where);

}  // namespace llm::detail
