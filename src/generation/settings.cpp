// A user's options on top of a model's.
#include "llm/generation/settings.hpp"

#include <algorithm>

namespace llm {
namespace {

std::string underscored(std::string name) {
  std::ranges::replace(name, '-', '_');
  return name;
}

// The last value given for an option.
const GenerationSetting* last_given(std::span<const GenerationSetting> settings,
                                    std::string_view name) {
  const auto found = std::find_if(
      settings.rbegin(), settings.rend(),
      [name](const GenerationSetting& setting) { return underscored(setting.name) == name; });
  return found == settings.rend() ? nullptr : &*found;
}

}  // namespace

void apply_settings(GenerationConfig& config, std::span<const GenerationSetting> settings) {
  for (const GenerationSetting& setting : settings)
    config.set(setting.name, setting.value, setting.source);
  if (last_given(settings, "do_sample") != nullptr) return;
  // Many programs write a temperature of 0 for greedy.
  if (last_given(settings, "temperature") != nullptr && config.temperature == 0) {
    config.set("temperature", "null", "default");
    return config.set("do_sample", "false", "implied by temperature 0");
  }
  for (const char* name : {"temperature", "top_k", "top_p", "min_p", "typical_p"})
    if (last_given(settings, name) != nullptr)
      config.set("do_sample", "true", std::string("implied by ") + name);
}

void set_default_length(GenerationConfig& config) {
  if (!config.max_new_tokens && !config.max_length)
    config.set("max_new_tokens", "128", "default of llm-generate");
}

}  // namespace llm
