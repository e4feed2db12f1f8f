/// \file
/// Generation options as a user gives them, one by one, on top of what a model's files say.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "llm/generation/generation_config.hpp"

namespace llm {

/// A generation option, as GenerationConfig::set() takes it, and where it was given.
struct GenerationSetting {
  std::string name;
  std::string value;
  std::string source;
};

/// Sets the options in their order. Options that only mean something when tokens are drawn
/// (temperature, top_k, top_p, min_p, typical_p) turn drawing on and a temperature of 0 turns it
/// off, unless do_sample is among the options. Throws Error as GenerationConfig::set().
void apply_settings(GenerationConfig& config, std::span<const GenerationSetting> settings);

/// Where nobody says how long an answer may be: 128 new tokens.
void set_default_length(GenerationConfig& config);

}  // namespace llm
