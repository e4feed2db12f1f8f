/// \file
/// The generation options a model comes with.
#pragma once

#include <filesystem>
#include <optional>

#include "llm/generation/generation_config.hpp"
#include "llm/nn/transformer_config.hpp"

namespace llm {

/// What the folder recommends (GenerationConfig::from_folder), completed by the token ids of the
/// model's configuration; for a `.gguf` file the latter alone. Throws Error as from_folder().
GenerationConfig model_generation_config(const std::filesystem::path& path,
                                         const TransformerConfig& config);

/// The first token that an encoder-decoder's decoder reads, as that configuration says:
/// decoder_start_token_id, or else bos_token_id. Throws Error likewise.
std::optional<TokenId> model_decoder_start(const std::filesystem::path& path,
                                           const TransformerConfig& config);

}  // namespace llm
