#include "families/layer_patterns.hpp"

namespace llm::detail {

std::vector<bool> read_rotary_layers(const ConfigReader& json, std::int64_t layers) {
  std::vector<bool> rotated;
  if (!json.is_any({"smollm3"})) return rotated;
  const std::vector<double> marks = json.numbers("no_rope_layers");
  const std::int64_t interval = json.size("no_rope_layer_interval", 4);
  if (!marks.empty() && static_cast<std::int64_t>(marks.size()) != layers) {
    json.reject("no_rope_layers", "expected one number for each layer");
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    rotated.push_back(marks.empty() ? (i + 1) % interval != 0
                                    : marks[static_cast<std::size_t>(i)] != 0);
  }
  return rotated;
}

std::vector<std::int64_t> read_windows(const ConfigReader& json, const StackConfig& d) {
  const bool mistral = json.is_any({"mistral"});
  if (json.is_any({"llama"}) || (!mistral && !json.flag("use_sliding_window", false))) return {};
  if (json.has_null("sliding_window")) return {};
  const std::int64_t window = json.size("sliding_window", 4096);
  std::vector<std::int64_t> result(static_cast<std::size_t>(d.num_hidden_layers), window);
  const std::vector<std::string> types = json.texts("layer_types");
  const std::int64_t first = mistral ? 0 : json.count("max_window_layers", 28);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const bool full = i < types.size()          ? types[i] == "full_attention"
                      : d.rotary_layers.empty() ? static_cast<std::int64_t>(i) < first
                                                : d.rotary_layers[i];
    if (full) result[i] = 0;
  }
  return result;
}

}  // namespace llm::detail
