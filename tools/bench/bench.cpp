#include "bench/bench.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "llm/tensor/kernels.hpp"
#include "shell/model_path.hpp"

namespace llm::bench {

LoadOptions Setting::load_options() const {
  LoadOptions result{.threads = threads,
                     .weights = shell::parse_precision(dtype).weights,
                     .fast = options.fast,
                     .kv = shell::parse_kv_type(options.kv_dtype)};
  for (const std::string& text : options.adapters) {
    result.adapters.push_back(shell::find_adapter(text));
  }
  return result;
}

void print_figure(const Setting& setting, Figure figure) {
  std::vector<double>& values = figure.values;
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  nlohmann::ordered_json line = {{"bench", figure.bench},
                                 {"model", setting.model},
                                 {"dtype", setting.dtype},
                                 {"threads", setting.threads},
                                 {"value", (values[(n - 1) / 2] + values[n / 2]) / 2},
                                 {"unit", figure.unit},
                                 {"min", values.front()},
                                 {"max", values.back()},
                                 {"n", n},
                                 {"isa", detail::float_kernels().name}};
  if (setting.options.fast) line["fast"] = true;
  if (setting.options.kv_dtype != "f32") line["kv_dtype"] = setting.options.kv_dtype;
  line.update(figure.details);
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

std::vector<TokenId> some_tokens(std::int64_t count, std::int64_t vocab_size) {
  std::vector<TokenId> ids;
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    ids.push_back(static_cast<TokenId>((state >> 8) % static_cast<std::uint32_t>(vocab_size)));
  }
  return ids;
}

std::vector<double> rates(double work, std::vector<double> seconds) {
  for (double& value : seconds) value = work / value;
  return seconds;
}

}  // namespace llm::bench
