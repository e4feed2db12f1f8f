#include "model/rotary.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace llm::detail {
namespace {

// Frequencies in the order of the pairs, before scaling: theta^(-2i/dim).
std::vector<double> base_frequencies(double theta, std::int64_t dim) {
  std::vector<double> frequencies;
  for (std::int64_t i = 0; i < dim; i += 2) {
    frequencies.push_back(1.0 / std::pow(theta, double(i) / double(dim)));
  }
  return frequencies;
}

double positive(const ConfigReader& json, std::string_view name) {
  const double value = json.number(name);
  if (!(value > 0)) json.reject(name, "expected a positive number");
  return value;
}

double positive(const ConfigReader& json, std::string_view name, double otherwise) {
  return json.has(name) ? positive(json, name) : otherwise;
}

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, a ramp in between.
void scale_llama3(const ConfigReader& rope, double context, std::vector<double>& frequencies) {
  const double factor = positive(rope, "factor"), low = positive(rope, "low_freq_factor"),
               high = positive(rope, "high_freq_factor");
  if (low == high) rope.reject("high_freq_factor", "expected another value than low_freq_factor");
  for (double& f : frequencies) {
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength > context / low) {
      f /= factor;
    } else if (wavelength >= context / high) {
      const double smooth = (context / wavelength - low) / (high - low);
      f = (1 - smooth) * f / factor + smooth * f;
    }
  }
}

// YaRN (arXiv:2309.00071): low frequencies are interpolated by `factor`, high ones kept, with a
// ramp between the dimensions that make beta_fast and beta_slow turns within the original context.
void scale_yarn(const ConfigReader& rope, double theta, double context,
                RotaryPositions& positions) {
  const double factor = positive(rope, "factor");
  if (theta <= 1) rope.reject("rope_theta", "expected a number greater than 1 for yarn");
  const auto mscale = [&](double weight) {
    return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
  };
  const double given = rope.number("mscale", 0), all = rope.number("mscale_all_dim", 0);
  positions.attention_factor = rope.number(
      "attention_factor", given != 0 && all != 0 ? mscale(given) / mscale(all) : mscale(1.0));
  std::vector<double>& f = positions.inverse_frequencies;
  const double dim = 2.0 * static_cast<double>(f.size());
  const auto turning_dim = [&](double turns) {
    return dim * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = turning_dim(positive(rope, "beta_fast", 32)),
         high = turning_dim(positive(rope, "beta_slow", 1));
  if (rope.flag("truncate", true)) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f[i] = f[i] / factor * ramp + f[i] * (1 - ramp);
  }
}

// What a rope object says, however it spells it.
Json normalized(const Json& object) {
  Json result = {{"rope_type", "default"}};
  for (const auto& [name, value] : object.items()) {
    if (!value.is_null() && name != "rope_theta")
      result[name == "type" ? "rope_type" : name] = value;
  }
  return result;
}

// The object that says how positions rotate: `rope_parameters`, or `rope_scaling` of older files.
// The reference lets the latter win, and with it loses the former's theta: where they differ nobody
// can have meant both.
ConfigReader rope_object(const ConfigReader& json) {
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    const ConfigReader rope = json.object(name);
    if (std::any_of(rope.json().begin(), rope.json().end(),
                    [](const Json& value) { return value.is_object(); })) {
      json.unsupported(name, "rotary parameters that differ by the type of a layer");
    }
  }
  const ConfigReader newer = json.object("rope_parameters"), older = json.object("rope_scaling");
  if (newer.json().empty() || older.json().empty()) return newer.json().empty() ? older : newer;
  const bool same_theta = !newer.has("rope_theta") || !older.has("rope_theta") ||
                          newer.number("rope_theta") == older.number("rope_theta");
  if (!same_theta || normalized(newer.json()) != normalized(older.json())) {
    json.contradicts("rope_scaling", "rope_parameters", json.shown("rope_parameters"));
  }
  return older.has("rope_theta") && !newer.has("rope_theta") ? older : newer;
}

// A number that may stand in the rope object or beside it.
double read_either(const ConfigReader& json, const ConfigReader& rope, const char* name,
                   const char* name_in_rope, double otherwise) {
  if (!rope.has(name_in_rope)) return positive(json, name, otherwise);
  const double value = positive(rope, name_in_rope);
  if (json.has(name) && json.number(name) != value) {
    json.contradicts(name, std::string(name_in_rope) + " inside " + rope.where(),
                     rope.shown(name_in_rope));
  }
  return value;
}

std::string read_rope_type(const ConfigReader& rope) {
  const std::string older = rope.text("type", "default"), type = rope.text("rope_type", older);
  if (rope.has("type") && type != older) rope.contradicts("rope_type", "type", rope.shown("type"));
  return type;
}

// Part of each head that is rotated, in numbers. The field may stand in the rope object or beside
// it.
std::int64_t rotated_dim(const ConfigReader& json, const ConfigReader& rope, std::int64_t head_dim,
                         const RotaryDefaults& defaults) {
  const double part = read_either(json, rope, defaults.partial_name, "partial_rotary_factor",
                                  defaults.partial_rotary_factor);
  const ConfigReader& said = rope.has("partial_rotary_factor") ? rope : json;
  if (!defaults.may_be_partial && part != defaults.partial_rotary_factor) {
    said.unsupported(&said == &rope ? "partial_rotary_factor" : defaults.partial_name,
                     "heads of this model type are rotated as a whole");
  }
  const auto dim = static_cast<std::int64_t>(static_cast<double>(head_dim) * part);
  if (part > 1 || dim < 1) {
    said.reject(&said == &rope ? "partial_rotary_factor" : defaults.partial_name,
                "expected a part of each head, more than 0 and at most 1");
  }
  return dim;
}

// Phi-3 has called it by other names.
bool is_longrope(const ConfigReader& rope) {
  const std::string type = read_rope_type(rope);
  return type == "longrope" || type == "su" || (type == "yarn" && rope.has("short_factor"));
}

// LongRoPE: one divisor per frequency, one set for texts within the first context.
void scale_longrope(const ConfigReader& rope, double context, double max_positions,
                    RotaryPositions& positions) {
  const std::vector<double> divisors = rope.numbers("short_factor");
  std::vector<double>& frequencies = positions.inverse_frequencies;
  if (divisors.size() != frequencies.size()) {
    rope.reject("short_factor",
                "expected " + std::to_string(frequencies.size()) + " numbers, one per pair");
  }
  for (std::size_t i = 0; i < divisors.size(); ++i) {
    if (!(divisors[i] > 0)) rope.reject("short_factor", "expected positive numbers");
    frequencies[i] /= divisors[i];
  }
  const double factor = positive(rope, "factor", max_positions / context);
  const double usual = factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(context));
  positions.attention_factor = rope.number("attention_factor", usual);
}

// GGUF files carry the llama3 and longrope scalings as one divisor per frequency.
void divide_frequencies(const ConfigReader& json, std::vector<double>& frequencies) {
  const std::vector<double> divisors = json.numbers("rope_divisors");
  for (std::size_t i = 0; i < divisors.size() && i < frequencies.size(); ++i) {
    if (!(divisors[i] > 0)) json.reject("rope_divisors", "expected positive numbers");
    frequencies[i] /= divisors[i];
  }
}

// What a rope object says, `json` being the whole configuration.
RotaryPositions read_rope(const ConfigReader& json, const ConfigReader& rope, std::int64_t head_dim,
                          std::int64_t max_positions, const RotaryDefaults& defaults) {
  const double theta = read_either(json, rope, defaults.theta_name, "rope_theta", defaults.theta);
  const std::int64_t dim = rotated_dim(json, rope, head_dim, defaults);
  const std::string type = read_rope_type(rope);
  RotaryPositions positions{base_frequencies(theta, dim), 1.0};
  if (defaults.stretched_by_alpha && type == "dynamic" && rope.has("alpha") && dim > 2) {
    const double power = static_cast<double>(dim) / static_cast<double>(dim - 2);
    positions.inverse_frequencies =
        base_frequencies(theta * std::pow(positive(rope, "alpha"), power), dim);
  }
  const auto all = static_cast<double>(max_positions);
  // Positions the model was trained with, before the scaling.
  const auto context = [&] {
    constexpr const char* name = "original_max_position_embeddings";
    const std::int64_t otherwise = defaults.original_max_position_embeddings;
    return read_either(json, rope, name, name,
                       otherwise > 0 ? static_cast<double>(otherwise) : all);
  };
  if (type == "linear") {
    const double factor = positive(rope, "factor");
    for (double& f : positions.inverse_frequencies) f /= factor;
  } else if (type == "llama3") {
    scale_llama3(rope, context(), positions.inverse_frequencies);
  } else if (is_longrope(rope)) {
    scale_longrope(rope, context(), all, positions);
  } else if (type == "yarn") {
    scale_yarn(rope, theta, context(), positions);
  } else if (type != "default" && type != "dynamic") {
    // "dynamic" changes the frequencies only for texts beyond max_position_embeddings, and then
    // with the length: keys of earlier passes would no longer fit, and the result would depend on
    // how a prompt is split. Such texts are refused as too long, so within them it is "default".
    rope.unsupported(rope.has("rope_type") ? "rope_type" : "type",
                     "supported rotary scalings: default, linear, dynamic, llama3, yarn, longrope");
  }
  divide_frequencies(json, positions.inverse_frequencies);
  for (const double f : positions.inverse_frequencies) {
    if (!std::isfinite(f)) {
      json.reject(defaults.theta_name, "which gives frequencies that are no numbers");
    }
  }
  return positions;
}

}  // namespace

RotaryPositions read_rotary(const ConfigReader& json, std::int64_t head_dim,
                            std::int64_t max_positions, const RotaryDefaults& defaults) {
  return read_rope(json, rope_object(json), head_dim, max_positions, defaults);
}

RotaryPositions read_layer_rotary(const ConfigReader& json, const char* layer_type,
                                  const ConfigReader& older, std::int64_t head_dim,
                                  std::int64_t max_positions, const RotaryDefaults& defaults) {
  const ConfigReader parameters = json.object("rope_parameters");
  const ConfigReader newer = parameters.object(layer_type);
  if (newer.json().empty() && !parameters.json().empty() && parameters.has("rope_type")) {
    json.unsupported("rope_parameters", "expected an object for each type of layer");
  }
  if (!newer.json().empty() && !older.json().empty() &&
      normalized(newer.json()) != normalized(older.json())) {
    json.contradicts("rope_scaling", "rope_parameters", json.shown("rope_parameters"));
  }
  return read_rope(json, newer.json().empty() ? older : newer, head_dim, max_positions, defaults);
}

std::int64_t rotary_reach(const ConfigReader& json, std::int64_t max_positions,
                          const RotaryDefaults& defaults) {
  const ConfigReader rope = rope_object(json);
  if (!is_longrope(rope)) return max_positions;
  constexpr const char* name = "original_max_position_embeddings";
  const std::int64_t otherwise = defaults.original_max_position_embeddings;
  const std::int64_t first =
      json.size(name, rope.size(name, otherwise > 0 ? otherwise : max_positions));
  return std::min(first, max_positions);
}

}  // namespace llm::detail
