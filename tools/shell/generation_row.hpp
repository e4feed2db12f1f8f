// What generate and few-shot write for a row: the generator's results as fields, and the text that
// people read.
#pragma once

#include <string>
#include <vector>

#include "llm/generation/generator.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/row.hpp"

namespace llm::shell {

// Which fields results have.
struct GenerationLayout {
  std::vector<std::string> first = {};  // of the prompt, in front
  bool sample = false;                  // which sample a result is
  bool prompt = false;                  // the prompt, too
  bool score = false;                   // of beams
  bool logprobs = false;                // of every token

  // The names of all fields.
  std::vector<std::string> columns() const;
};

// `prompt` stands before the text; `tokenizer` may be null.
OrderedJson to_fields(const GenerationResult& result, const std::string& prompt,
                      const GenerationLayout& layout, const Tokenizer* tokenizer);

// The text, after its prompt if that is written; without a tokenizer the new ids.
std::string to_text(const OrderedJson& fields, bool has_tokenizer);

}  // namespace llm::shell
