// llm-bench: how fast a model runs and what memory it takes, one JSON line per figure on standard
// output. This file reads the options and decides which benches run; they are in bench/.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "bench/bench.hpp"
#include "bench/shapes.hpp"
#include "llm/core/error.hpp"
#include "llm/core/thread_pool.hpp"
#include "shell/model_path.hpp"
#include "shell/signals.hpp"

namespace llm::bench {
namespace {

const std::vector<std::string> bench_names = {"decode", "prefill", "encode", "seq2seq",
                                              "load",   "memory",  "matmul"};

bool chosen(const Setting& setting, const char* bench) {
  const auto& benches = setting.options.benches;
  return std::find(benches.begin(), benches.end(), bench) != benches.end();
}

// What suits the model.
std::vector<std::string> default_benches(const TransformerConfig& config) {
  if (config.head == HeadKind::language_model) {
    if (config.kind == ModelKind::decoder) return {"memory", "load", "prefill", "decode"};
    return {"memory", "load", "encode", "seq2seq"};
  }
  return {"memory", "load", "encode"};
}

template <typename S>
void run_model(const Setting& setting) {
  if (chosen(setting, "load")) bench_load<S>(setting);
  const auto needs = [&](const char* bench) { return chosen(setting, bench); };
  if (!needs("prefill") && !needs("decode") && !needs("encode") && !needs("seq2seq")) return;
  const auto model = Model<S>::load(setting.path, setting.load_options());
  if (needs("prefill")) bench_prefill(setting, *model);
  if (needs("decode")) bench_decode(setting, *model);
  if (needs("encode")) bench_encode(setting, *model);
  if (needs("seq2seq")) bench_seq2seq(setting, *model);
}

template <typename Action>
void for_each_setting(const Options& options, const std::filesystem::path& path,
                      const Action& action) {
  for (const std::string& dtype : options.dtypes) {
    for (const int threads : options.threads) {
      const Setting setting{options, path, options.shape.empty() ? options.model : options.shape,
                            dtype, ThreadPool(threads).size()};
      shell::with_scalar(shell::parse_precision(dtype), [&](auto scalar) {
        action(setting, scalar);
        return 0;
      });
    }
  }
}

void check(const Options& options) {
  for (const std::string& dtype : options.dtypes) shell::parse_precision(dtype);
  shell::parse_kv_type(options.kv_dtype);
  if (!options.model.empty() && !options.shape.empty()) {
    throw Error(ErrorCode::invalid_option, "--model and --shape exclude each other", "--shape");
  }
  const bool only_products = options.benches == std::vector<std::string>{"matmul"};
  if (options.model.empty() && options.shape.empty() && !only_products) {
    throw Error(ErrorCode::invalid_option,
                "no model is given; usage: llm-bench [BENCH...] -m MODEL (or --shape NAME)",
                "--model");
  }
}

void run(Options options) {
  check(options);
  std::filesystem::path path;
  if (!options.shape.empty()) {
    path = shape_folder(options.shape, options.shape_dtype, options.shape_dir);
  } else if (!options.model.empty()) {
    path = shell::find_model(options.model);
  }
  if (options.benches.empty()) options.benches = default_benches(read_model_config(path));
  // Before anything else has used memory or started threads.
  for_each_setting(options, path, [](const Setting& setting, auto scalar) {
    if (chosen(setting, "memory")) bench_memory<decltype(scalar)>(setting);
  });
  for_each_setting(options, path, [](const Setting& setting, auto scalar) {
    if (chosen(setting, "matmul")) bench_matmul<decltype(scalar)>(setting);
    run_model<decltype(scalar)>(setting);
  });
}

void add_model_options(CLI::App& app, Options& options) {
  app.add_option("bench", options.benches,
                 "prefill, decode: tokens/s of a decoder; encode: texts of mixed lengths; seq2seq: "
                 "an encoder-decoder from source to target; load: seconds to open; memory: peak "
                 "of a process; matmul: products alone (default: what suits the model)")
      ->check(CLI::IsMember(bench_names));
  app.add_option("-m,--model", options.model, "Folder, .gguf file or cached name");
  app.add_option("--shape", options.shape, "Instead of a model: random weights of a known shape")
      ->check(CLI::IsMember(shape_names()));
  app.add_option("--shape-dir,--shape_dir", options.shape_dir,
                 "Where shapes are written once (default: in the system's temporary folder)");
  app.add_option("--shape-dtype,--shape_dtype", options.shape_dtype,
                 "Type of a shape's file: f32, bf16 (default: as it is published)");
  app.add_option("--adapter", options.adapters,
                 "LoRA adapter: FOLDER or FOLDER@WEIGHT (repeatable)")
      ->allow_extra_args(false);
}

void add_run_options(CLI::App& app, Options& options) {
  const CLI::Range sizes(1, 1 << 20);
  app.add_option("--dtype", options.dtypes,
                 "auto, f32, bf16, int8, int8-channel, int4 or f64; a list runs each")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_flag(
      "--fast", options.fast,
      "Round activations more: to 8 bits, not 16, beside quantized weights; to bf16 beside bf16");
  app.add_option("--kv-dtype,--kv_dtype", options.kv_dtype,
                 "How keys and values are kept: f32 or bf16");
  app.add_option("-t,--threads", options.threads,
                 "Threads; a list, as in 1,2, runs each (default: one per core)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0, ThreadPool::max_threads));
  app.add_option("--repeat", options.repeat, "Runs that count, after one that does not")
      ->check(sizes);
  app.add_option("--prompt-tokens,--prompt_tokens", options.prompt_tokens,
                 "Tokens of the prompt or the source")
      ->check(sizes);
  app.add_option("--new-tokens,--new_tokens", options.new_tokens, "Tokens made behind it")
      ->check(sizes);
  app.add_option("--batch", options.batch,
                 "Sequences (default: 1) or texts (default: all) that are computed together")
      ->check(sizes);
  app.add_option("--beams", options.beams, "seq2seq: beams, 1 is greedy; a list runs each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(1, 1024));
  app.add_option("--lengths", options.lengths,
                 "encode: JSON array of lengths in tokens, or of token id arrays");
  app.add_option("--product", options.products, "matmul: OUTPUTSxINPUTSxROWS (repeatable)")
      ->allow_extra_args(false);
}

}  // namespace
}  // namespace llm::bench

int main(int argc, char** argv) {
  llm::shell::hold_standard_files();
  CLI::App app("Measures models: one JSON line per figure, with median, minimum and maximum.",
               "llm-bench");
  llm::bench::Options options;
  try {
    options.shape_dir = std::filesystem::temp_directory_path() / "llm-bench-shapes";
    llm::bench::add_model_options(app, options);
    llm::bench::add_run_options(app, options);
    app.parse(argc, argv);
    llm::bench::run(options);
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "llm-bench: error: %s\n", llm::printable(error.what()).c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "llm-bench: error: %s\n", llm::printable(error.what()).c_str());
    return 1;
  }
}
