// The tokenizer that is a pipeline of steps, as a tokenizer.json describes it:
//   text -> added tokens -> normalizer -> pre-tokenizer -> model -> post-processor -> ids
//   ids -> tokens -> decoder -> text
// Every kind of file becomes one of these but a sentencepiece model on its own and Marian's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "llm/tokenizer/tokenizer.hpp"
#include "tokenizer/added_tokens.hpp"
#include "tokenizer/decoder.hpp"
#include "tokenizer/model.hpp"
#include "tokenizer/normalizer.hpp"
#include "tokenizer/post_processor.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/segment_tokenizer.hpp"

namespace llm::detail {

// What the pipeline is made of. Everything but the model may be absent.
struct PipelineParts {
  AddedTokens added;
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  std::unique_ptr<PostProcessor> post_processor;
  std::optional<LanguageMarks> languages;  // in place of the post-processor
  std::unique_ptr<TokenDecoder> decoder;
  bool clean_up_spaces = false;  // after decoding
  bool has_token_types = true;   // else all are 0, whatever the post-processor says
  SpecialTokens special;
  std::string chat_template;
  std::optional<std::int64_t> max_length;
  std::optional<bool> pads_left;  // absent: as the class does
  std::optional<bool> truncates_left;
  std::string source;  // the file, for errors and the description

  // The id of an added token or of a token of the model.
  std::optional<TokenId> find(std::string_view token) const;
};

std::unique_ptr<Tokenizer> make_pipeline(PipelineParts parts);

}  // namespace llm::detail
