/// \file
/// The generation options that come with a model.
#pragma once

#include <filesystem>
#include <optional>

#include "llm/generation/generation_config.hpp"
#include "llm/nn/transformer_config.hpp"

namespace llm {

/// What the folder recommends (GenerationConfig::from_folder()), completed with the token ids of
/// the model's configuration; for a `.gguf` file only these. Throws Error as from_folder().
GenerationConfig model_generation_config(const std::filesystem::path& path,
                                         const TransformerConfig& config);

/// The first token that the decoder of an encoder-decoder reads: decoder_start_token_id of
/// model_generation_config(), or else bos_token_id. Throws Error as from_folder().
std::optional<TokenId> model_decoder_start(const std::filesystem::path& path,
                                           const TransformerConfig& config);

}  // namespace llm
