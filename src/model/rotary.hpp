// Rotary positions as configurations spell them, with their scalings.
// Reference: transformers modeling_rope_utils.py.
#pragma once

#include "model/config_reader.hpp"

namespace llm::detail {

// From `rope_theta` and `rope_scaling`, or `rope_parameters` in newer files. Throws Error
// (unsupported) that lists the known scalings.
RotaryPositions read_rotary(const ConfigReader& json, std::int64_t head_dim);

}  // namespace llm::detail
