/// \file
/// Generation options that a user gives one by one, on top of what the model's files say.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "llm/generation/generation_config.hpp"

namespace llm {

/// A generation option, as GenerationConfig::set() takes it, and where it was given.
struct GenerationSetting {
  std::string name;    ///< with dashes or underscores
  std::string value;   ///< as JSON, or a bare string
  std::string source;  ///< where it was given: "flag", a file name
};

/// Sets the options in order. Those that only matter when tokens are drawn (temperature, top_k,
/// top_p, min_p, typical_p) turn do_sample on, and a temperature of 0 turns it off, unless
/// do_sample is among the options itself. Throws Error as GenerationConfig::set().
void apply_settings(GenerationConfig& config, std::span<const GenerationSetting> settings);

/// Sets 128 new tokens where nobody has said how long an answer may be.
void set_default_length(GenerationConfig& config);

}  // namespace llm
