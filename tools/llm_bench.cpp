// llm-bench: tokens per second of a model, one JSON line per figure on standard output.
// prefill: a prompt of random tokens is fed in one step; decode: tokens are fed one by one.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "llm/model/model.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string model, dtype = "auto";
  std::vector<std::string> adapters;
  int threads = 0, repeat = 5;
  bool only_load = false;
  std::int64_t prompt_tokens = 128, new_tokens = 64;
};

// Any tokens will do; the same in each run.
std::vector<llm::TokenId> some_tokens(std::int64_t count, std::int64_t vocab_size) {
  std::vector<llm::TokenId> ids;
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    ids.push_back(static_cast<llm::TokenId>((state >> 8) % static_cast<std::uint32_t>(vocab_size)));
  }
  return ids;
}

template <typename Action>
double seconds(const Action& action) {
  const Clock::time_point start = Clock::now();
  action();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void print(const Options& options, const char* bench, const char* unit,
           std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const nlohmann::ordered_json line = {{"bench", bench},
                                       {"model", options.model},
                                       {"dtype", options.dtype},
                                       {"threads", options.threads},
                                       {"value", values[values.size() / 2]},
                                       {"unit", unit},
                                       {"min", values.front()},
                                       {"max", values.back()},
                                       {"n", values.size()}};
  std::printf("%s\n", line.dump().c_str());
}

template <typename S>
int bench(const Options& options) {
  std::unique_ptr<llm::Model<S>> model;
  llm::LoadOptions load_options{.threads = options.threads,
                                .weights = llm::shell::parse_precision(options.dtype).weights};
  for (const std::string& text : options.adapters) {
    load_options.adapters.push_back(llm::shell::find_adapter(text));
  }
  std::vector<double> load;
  for (int i = 0; i < (options.only_load ? options.repeat : 1); ++i) {
    load.push_back(seconds(
        [&] { model = llm::Model<S>::load(llm::shell::find_model(options.model), load_options); }));
  }
  if (options.only_load) {
    print(options, "load", "s", load);
    return 0;
  }
  llm::Workspace workspace;
  const std::vector<llm::TokenId> tokens =
      some_tokens(options.prompt_tokens + options.new_tokens, model->vocab_size());
  const std::span<const llm::TokenId> all(tokens);
  const auto split = static_cast<std::size_t>(options.prompt_tokens);
  // An encoder-decoder reads the prompt as its source.
  const bool encodes = model->is_encoder_decoder();
  const std::span<const llm::TokenId> source = encodes ? all.first(split) : all.first(0);
  std::vector<double> prefill, decode;
  for (int i = -1; i < options.repeat; ++i) {  // the first run only warms up
    std::vector<std::unique_ptr<llm::SequenceState<S>>> states;
    const auto step = [&](std::span<const llm::TokenId> ids) {
      const llm::StepInput<S> input{states[0].get(), ids, false};
      model->step({&input, 1}, workspace);
    };
    const double prefill_seconds = seconds([&] {
      states = model->start({&source, 1}, workspace);
      step(encodes ? all.subspan(split, 1) : all.first(split));
    });
    const double decode_seconds = seconds([&] {
      for (std::size_t token = split; token < all.size(); ++token) step(all.subspan(token, 1));
    });
    if (i < 0) continue;
    prefill.push_back(static_cast<double>(options.prompt_tokens) / prefill_seconds);
    decode.push_back(static_cast<double>(options.new_tokens) / decode_seconds);
  }
  print(options, "load", "s", load);
  print(options, "prefill", "tokens/s", prefill);
  print(options, "decode", "tokens/s", decode);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures prefill and decode of a model in tokens per second.", "llm-bench");
  Options options;
  app.add_option("-m,--model", options.model, "Folder, .gguf file or cached name")->required();
  app.add_option("--adapter", options.adapters,
                 "LoRA adapter: FOLDER or FOLDER@WEIGHT (repeatable)")
      ->allow_extra_args(false);
  app.add_flag("--only-load,--only_load", options.only_load, "Measure only how long opening takes");
  app.add_option("--dtype", options.dtype, "auto, f32, bf16, int8, int4 or f64");
  app.add_option("-t,--threads", options.threads, "Threads (default: one per core)")
      ->check(CLI::Range(0, 4096));
  app.add_option("--prompt-tokens,--prompt_tokens", options.prompt_tokens, "Tokens of the prompt")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--new-tokens,--new_tokens", options.new_tokens, "Tokens fed one by one")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--repeat", options.repeat, "Runs that count, after one that does not")
      ->check(CLI::Range(1, 1 << 20));
  CLI11_PARSE(app, argc, argv);
  try {
    return llm::shell::with_scalar(llm::shell::parse_precision(options.dtype),
                                   [&](auto scalar) { return bench<decltype(scalar)>(options); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "llm-bench: error: %s\n", error.what());
    return 1;
  }
}
