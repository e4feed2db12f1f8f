// Rotary positions as configurations spell them, with their scalings.
// Reference: transformers modeling_rope_utils.py.
#pragma once

#include "model/config_reader.hpp"

namespace llm::detail {

// From `rope_theta` and `rope_scaling`, or `rope_parameters` in newer files; `max_positions` is
// what the model holds, `default_theta` its family's. Throws Error: unsupported, with the known
// scalings, or bad_format where the two spellings contradict each other.
RotaryPositions read_rotary(const ConfigReader& json, std::int64_t head_dim,
                            std::int64_t max_positions, double default_theta);

}  // namespace llm::detail
