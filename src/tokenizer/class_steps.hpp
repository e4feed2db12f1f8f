// What the reference's tokenizer classes change in a tokenizer.json when they open it.
#pragma once

#include "core/json.hpp"
#include "tokenizer/pipeline.hpp"
#include "tokenizer/tokenizer_config.hpp"

namespace llm::detail {

// The file is the truth, but for what the folder's class and keys say otherwise. Versions 4 and 5
// of the reference differ much: version 5 builds the steps of some classes anew and forgets the
// file's, version 4 adapts those of the file. Where they agree it is done; where they differ a key
// that is stated counts as in version 4, which wrote the folders that state it, and what is not
// stated is left as the file has it.
void follow_class(const TokenizerConfig& config, Json& tokenizer);

// Replaces the post-processor by bos and eos where the class follows add_bos_token and
// add_eos_token although the file has a post-processor of its own.
void follow_bos_eos(const TokenizerConfig& config, PipelineParts& parts);

}  // namespace llm::detail
