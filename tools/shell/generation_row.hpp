// What generate and few-shot write of a row: results of the generator as result fields, and the
// text that people read.
#pragma once

#include <string>
#include <vector>

#include "llm/generation/generator.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "shell/row.hpp"

namespace llm::shell {

// Which fields results have.
struct GenerationLayout {
  std::vector<std::string> first = {};  // fields of the prompt, in front
  bool sample = false;                  // rows say which sample they are
  bool prompt = false;                  // the prompt is written, too
  bool score = false;                   // of beams
  bool logprobs = false;                // of every token

  // The names of all fields.
  std::vector<std::string> columns() const;
};

// `prompt` is what the text follows; `tokenizer` may be null.
OrderedJson to_fields(const GenerationResult& result, const std::string& prompt,
                      const GenerationLayout& layout, const Tokenizer* tokenizer);

// The text behind its prompt, if that is written; without a tokenizer the new ids.
std::string to_text(const OrderedJson& fields, bool has_tokenizer);

}  // namespace llm::shell
