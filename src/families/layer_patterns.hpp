// For decoders whose layers differ: which layers rotate queries and keys, and how far each looks
// back. LLaMA's descendants share this.
#pragma once

#include "model/config_reader.hpp"

namespace llm::detail {

// SmolLM3 rotates all layers but every fourth, or those that `no_rope_layers` marks with a 1.
// Empty: all layers.
std::vector<bool> read_rotary_layers(const ConfigReader& json, std::int64_t layers);

// How many keys each layer looks back at: all layers of Mistral, the later ones of Qwen, those of
// SmolLM3 without positions, or as `layer_types` says. Empty: every layer looks at all keys.
std::vector<std::int64_t> read_windows(const ConfigReader& json, const StackConfig& d);

// The same where `layer_types` says it or, without that, all layers but every `full_every`-th (0:
// all layers) look back at `window` keys (0: at all).
std::vector<std::int64_t> read_layer_windows(const ConfigReader& json, const StackConfig& d,
                                             std::int64_t window, std::int64_t full_every);

}  // namespace llm::detail
