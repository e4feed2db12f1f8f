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

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, a ramp in between.
void scale_llama3(const ConfigReader& rope, double context, std::vector<double>& frequencies) {
  const double factor = rope.number("factor"), low = rope.number("low_freq_factor"),
               high = rope.number("high_freq_factor");
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
  const double factor = rope.number("factor");
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
  double low = turning_dim(rope.number("beta_fast", 32)),
         high = turning_dim(rope.number("beta_slow", 1));
  if (rope.flag("truncate", true)) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < f.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f[i] = f[i] / factor * ramp + f[i] * (1 - ramp);
  }
}

}  // namespace

RotaryPositions read_rotary(const ConfigReader& json, std::int64_t head_dim) {
  // Newer files nest theta with the scaling in `rope_parameters`; older ones have `rope_theta` and
  // `rope_scaling`.
  const ConfigReader rope =
      json.object(json.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  const double theta =
      rope.has("rope_theta") ? rope.number("rope_theta") : json.number("rope_theta", 10000.0);
  if (!(theta > 0)) json.reject("rope_theta", "expected a positive number");
  RotaryPositions positions{base_frequencies(theta, head_dim), 1.0};
  // Positions the model was trained with, before the scaling.
  const double context =
      rope.number("original_max_position_embeddings", json.number("max_position_embeddings", 2048));
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  if (type == "linear") {
    const double factor = rope.number("factor");
    for (double& f : positions.inverse_frequencies) f /= factor;
  } else if (type == "llama3") {
    scale_llama3(rope, context, positions.inverse_frequencies);
  } else if (type == "yarn") {
    scale_yarn(rope, theta, context, positions);
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
    positions.inverse_frequencies[i] /= divisors[i];
  }
  return positions;
}

}  // namespace llm::detail
