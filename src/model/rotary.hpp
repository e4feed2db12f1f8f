// Rotary positions as configurations spell them, with their scalings.
// Reference: transformers modeling_rope_utils.py.
#pragma once

#include "model/config_reader.hpp"

namespace llm::detail {

// What a family has where a file does not say it.
struct RotaryDefaults {
  double theta = 10000.0;
  double partial_rotary_factor = 1.0;  // the part of a head that is rotated
  bool may_be_partial = false;         // whether another part than this is supported
  bool stretched_by_alpha = false;  // "dynamic" with an alpha stretches the base once and for all
  std::int64_t original_max_position_embeddings = 0;   // 0: max_position_embeddings
  const char* theta_name = "rope_theta";               // beside the rope object
  const char* partial_name = "partial_rotary_factor";  // the same
};

// From `rope_theta` and `rope_scaling`, or `rope_parameters` in newer files; `max_positions` is
// what the model holds. Throws Error: unsupported, with the known scalings, or bad_format where the
// two spellings contradict each other.
RotaryPositions read_rotary(const ConfigReader& json, std::int64_t head_dim,
                            std::int64_t max_positions, const RotaryDefaults& defaults);

// The same for layers of one type, which newer files give an object of their own:
// `rope_parameters.full_attention`. `older`: what older files have instead, perhaps empty.
RotaryPositions read_layer_rotary(const ConfigReader& json, const char* layer_type,
                                  const ConfigReader& older, std::int64_t head_dim,
                                  std::int64_t max_positions, const RotaryDefaults& defaults);

// How many positions a model holds. With the scaling "longrope" (arXiv:2402.13753) those that it
// was first trained with: longer texts have other frequencies, so that keys of earlier passes would
// not fit, and the result would depend on how a prompt is split.
std::int64_t rotary_reach(const ConfigReader& json, std::int64_t max_positions,
                          const RotaryDefaults& defaults);

}  // namespace llm::detail
