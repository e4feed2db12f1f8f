#include "families/layer_patterns.hpp"

#include <algorithm>

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

namespace {

// The window of the layers that have one; 0: no layer has one.
std::int64_t read_window(const ConfigReader& json) {
  const bool mistral = json.is_any({"mistral"});
  if (json.is_any({"llama"}) || (!mistral && !json.flag("use_sliding_window", false))) return 0;
  return json.size("sliding_window", json.is_any({"smollm3"}) ? 0 : 4096, 0);
}

// Whether each layer looks back at all keys, as `layer_types` says; empty when it does not say.
std::vector<bool> read_layer_types(const ConfigReader& json, std::int64_t layers, bool has_window) {
  std::vector<bool> full;
  for (const std::string& type : json.texts("layer_types")) {
    full.push_back(type == "full_attention" || type == "attention");
    if (!full.back() && type != "sliding_attention") {
      json.unsupported("layer_types", "supported: full_attention, sliding_attention");
    }
    if (!full.back() && !has_window) {
      json.reject("layer_types", "but the model has no sliding window");
    }
  }
  if (!full.empty() && static_cast<std::int64_t>(full.size()) != layers) {
    json.reject("layer_types",
                "expected one for each of the " + std::to_string(layers) + " layers");
  }
  return full;
}

}  // namespace

std::vector<std::int64_t> read_windows(const ConfigReader& json, const StackConfig& d) {
  const std::int64_t window = read_window(json);
  const std::vector<bool> full = read_layer_types(json, d.num_hidden_layers, window > 0);
  if (json.is_any({"mistral"}) && window > 0 && std::ranges::count(full, true) > 0) {
    json.unsupported("layer_types", "all layers of a mistral with a sliding_window have it");
  }
  const std::int64_t first =
      json.is_any({"qwen2", "qwen3"}) ? json.count("max_window_layers", 28) : 0;
  if (window == 0) return {};
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool whole = !full.empty()             ? full[at]
                       : d.rotary_layers.empty() ? i < first
                                                 : d.rotary_layers[at];
    result.push_back(whole ? 0 : window);
  }
  return result;
}

std::vector<std::int64_t> read_layer_windows(const ConfigReader& json, const StackConfig& d,
                                             std::int64_t window, std::int64_t full_every) {
  const std::vector<bool> full = read_layer_types(json, d.num_hidden_layers, window > 0);
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; window > 0 && i < d.num_hidden_layers; ++i) {
    const bool whole = full.empty() ? full_every > 0 && (i + 1) % full_every == 0
                                    : full[static_cast<std::size_t>(i)];
    result.push_back(whole ? 0 : window);
  }
  return result;
}

}  // namespace llm::detail
