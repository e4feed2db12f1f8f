// What the benches share: the options of a run, one setting of it, timing, and the JSON line of a
// figure. Each bench is a function of its own in a file of this folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/model/model.hpp"
#include "shell/load.hpp"

namespace llm::bench {

struct Options {
  std::vector<std::string> benches;  // empty: what suits the model
  std::string model, shape;          // one of them, but for matmul
  std::string shape_dtype = "auto";
  std::filesystem::path shape_dir;  // where the folders of shapes are kept
  std::vector<std::string> dtypes{"auto"};
  std::vector<int> threads{0};
  bool fast = false;
  std::string kv_dtype = "f32";
  std::vector<std::string> adapters;
  int repeat = 5;
  std::int64_t prompt_tokens = 128, new_tokens = 64;
  std::vector<std::int64_t> beams{1};
  std::int64_t batch = 0;             // 0: what the bench says
  std::filesystem::path lengths;      // of the texts to encode; empty: a list of 64
  std::vector<std::string> products;  // OUTPUTSxINPUTSxROWS
};

// One point of a run: a model with one dtype and one number of threads.
struct Setting {
  const Options& options;
  std::filesystem::path path;
  std::string model, dtype;
  int threads = 1;

  LoadOptions load_options() const;
};

// Values of one measured quantity and what else belongs on its line.
struct Figure {
  std::string bench, unit;
  std::vector<double> values;
  nlohmann::ordered_json details = nlohmann::ordered_json::object();
};

// One JSON line on standard output: the median as "value", and the spread.
void print_figure(const Setting& setting, Figure figure);

// Any tokens will do; the same in each run.
std::vector<TokenId> some_tokens(std::int64_t count, std::int64_t vocab_size);

template <typename Action>
double seconds(const Action& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds of each run that counts; one before them only warms up.
template <typename Action>
std::vector<double> repeated_seconds(const Setting& setting, const Action& action) {
  std::vector<double> result;
  action();
  for (int i = 0; i < setting.options.repeat; ++i) result.push_back(seconds(action));
  return result;
}

// `work` / seconds, for each.
std::vector<double> rates(double work, std::vector<double> seconds);

// Decoders: a prompt in one step; then tokens one by one behind it.
template <typename S>
void bench_prefill(const Setting& setting, const Model<S>& model);
template <typename S>
void bench_decode(const Setting& setting, const Model<S>& model);

// Hidden states of texts of mixed lengths.
template <typename S>
void bench_encode(const Setting& setting, const Model<S>& model);

// Encoder-decoders: from source to new tokens through the generation loop.
template <typename S>
void bench_seq2seq(const Setting& setting, const Model<S>& model);

// Seconds to open a model, and until its first token or hidden state.
template <typename S>
void bench_load(const Setting& setting);

// Memory of a process that opens the model and uses it once. Forks: no threads may be running.
template <typename S>
void bench_memory(const Setting& setting);

// Products alone, with weights that do not fit the cache.
template <typename S>
void bench_matmul(const Setting& setting);

// What bench_memory() does with a model of each kind: the work of a bench, once.
template <typename S>
void decode_once(const Setting& setting, const Model<S>& model);
template <typename S>
void encode_once(const Setting& setting, const Model<S>& model);
template <typename S>
void generate_once(const Setting& setting, const Model<S>& model);

}  // namespace llm::bench
