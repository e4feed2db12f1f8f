// What the reference's tokenizer classes are called and which names they give to special tokens.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer_config.hpp"
#include "tokenizer/vocabulary.hpp"

namespace llm::detail {

// The class as the library names it: without a final "Fast", one name for classes that were named
// for a model and are the same as another one.
std::string plain_class(std::string name);

// Whether the class is the one without a kind, which takes a tokenizer.json as it stands.
bool is_generic_class(std::string_view tokenizer_class);

// The class that the reference opens a folder of this model type with; empty when unknown.
std::string class_of_model(std::string_view model_type);

// Gives the special tokens that the files do not mention the class's names; those that `known` has,
// unless it is nullptr.
void set_class_names(std::string_view tokenizer_class, const Vocabulary* known,
                     TokenizerConfig& config);

}  // namespace llm::detail
