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
                   double otherwise) {
  if (!rope.has(name)) return positive(json, name, otherwise);
  const double value = positive(rope, name);
  if (json.has(name) && json.number(name) != value) {
    json.contradicts(name, std::string(name) + " inside " + rope.where(), rope.shown(name));
  }
  return value;
}

std::string read_rope_type(const ConfigReader& rope) {
  const std::string older = rope.text("type", "default");
  std::string type = rope.text("rope_type", older);
  if (rope.has("type") && type != older) rope.contradicts("rope_type", "type", rope.shown("type"));
  return type;
}

// Frequencies of whole heads are all there are.
void require_whole_heads(const ConfigReader& json) {
  json.require("partial_rotary_factor", 1.0, "heads that are rotated in part are not supported");
}

}  // namespace

RotaryPositions read_rotary(const ConfigReader& json, std::int64_t head_dim,
                            std::int64_t max_positions, double default_theta) {
  const ConfigReader rope = rope_object(json);
  require_whole_heads(json);
  require_whole_heads(rope);
  const double theta = read_either(json, rope, "rope_theta", default_theta);
  RotaryPositions positions{base_frequencies(theta, head_dim), 1.0};
  const std::string type = read_rope_type(rope);
  // Positions the model was trained with, before the scaling.
  const auto context = [&] {
    return read_either(json, rope, "original_max_position_embeddings",
                       static_cast<double>(max_positions));
  };
  if (type == "linear") {
    const double factor = positive(rope, "factor");
    for (double& f : positions.inverse_frequencies) f /= factor;
  } else if (type == "llama3") {
    scale_llama3(rope, context(), positions.inverse_frequencies);
  } else if (type == "yarn") {
    scale_yarn(rope, theta, context(), positions);
  } else if (type != "default" && type != "dynamic") {
    // "dynamic" changes the frequencies only for texts beyond max_position_embeddings, and then
    // with the length: keys of earlier passes would no longer fit, and the result would depend on
    // how a prompt is split. Such texts are refused as too long, so within them it is "default".
    rope.unsupported(rope.has("rope_type") ? "rope_type" : "type",
                     "supported rotary scalings: default, linear, dynamic, llama3, yarn");
  }
  // GGUF files carry the llama3 scaling as one divisor per frequency.
  const std::vector<double> divisors = json.numbers("rope_divisors");
  for (std::size_t i = 0; i < divisors.size() && i < positions.inverse_frequencies.size(); ++i) {
    if (!(divisors[i] > 0)) json.reject("rope_divisors", "expected positive numbers");
    positions.inverse_frequencies[i] /= divisors[i];
  }
  for (const double f : positions.inverse_frequencies) {
    if (!std::isfinite(f)) json.reject("rope_theta", "which gives frequencies that are no numbers");
  }
  return positions;
}

}  // namespace llm::detail
