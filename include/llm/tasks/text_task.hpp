/// \file
/// Tasks whose answer is a text: how a model is asked to do one. Stands before the generation loop:
/// what was given -> prompt, language and options -> Generator.
#pragma once

#include <string>
#include <string_view>

#include "llm/generation/generation_config.hpp"
#include "llm/generation/generator.hpp"

namespace llm {

/// What stands before a text that is asked about, and how the answer is generated.
struct TextTask {
  std::string prefix = {};    ///< put before every text: "summarize: "
  std::string language = {};  ///< of the text, as EncodeOptions::language; empty: not marked
  GenerationConfig config = {};

  /// The request for one text.
  GenerationRequest request(std::string_view text) const {
    GenerationRequest request;
    request.text = prefix + std::string(text);
    request.language = language;
    return request;
  }
};

}  // namespace llm
