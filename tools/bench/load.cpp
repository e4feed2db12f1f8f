// load: seconds to open a model (its file warm in the page cache) and until it has computed
// something. memory: what a process takes that opens the model and uses it.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>

#include "bench/bench.hpp"

namespace llm::bench {

namespace {

// The first token, or the hidden state of one.
template <typename S>
void one_step(const Model<S>& model) {
  const TokenId id = 0;
  const std::span<const TokenId> ids(&id, 1);
  Workspace workspace;
  if (model.kind() == ModelKind::encoder) {
    const EncoderInput input{ids, {}};
    model.encode({&input, 1}, workspace);
    return;
  }
  const std::span<const TokenId> source = model.is_encoder_decoder() ? ids : ids.first(0);
  const auto states = model.start({&source, 1}, workspace);
  const StepInput<S> input{states.front().get(), ids, false};
  model.step({&input, 1}, workspace);
}

template <typename S>
void use_once(const Setting& setting, const Model<S>& model) {
  if (model.kind() == ModelKind::decoder && model.head() == HeadKind::language_model) {
    decode_once(setting, model);
  } else if (model.is_encoder_decoder() && model.head() == HeadKind::language_model) {
    generate_once(setting, model);
  } else {
    encode_once(setting, model);
  }
}

// A line of /proc/self/status in megabytes (10^6 bytes).
double status_megabytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (!line.starts_with(name + ":")) continue;
    return std::stod(line.substr(name.size() + 1)) * 1024 / 1e6;
  }
  throw Error(ErrorCode::unsupported,
              "memory is read from /proc/self/status, which has no " + name + " here");
}

template <typename S>
void measure_memory(const Setting& setting) {
  const auto model = Model<S>::load(setting.path, setting.load_options());
  nlohmann::ordered_json details = {{"weights", double(model->info().weight_bytes) / 1e6},
                                    {"load_peak", status_megabytes("VmHWM")},
                                    {"load_anonymous", status_megabytes("RssAnon")}};
  use_once(setting, *model);
  details["anonymous"] = status_megabytes("RssAnon");
  print_figure(setting, {"memory", "MB", {status_megabytes("VmHWM")}, details});
}

}  // namespace

template <typename S>
void bench_load(const Setting& setting) {
  Figure load{"load", "s", {}}, first{"load-first", "s", {}};
  for (int i = -1; i < setting.options.repeat; ++i) {
    std::unique_ptr<Model<S>> model;
    const double opened =
        seconds([&] { model = Model<S>::load(setting.path, setting.load_options()); });
    const double used = seconds([&] { one_step(*model); });
    if (i < 0) continue;
    load.values.push_back(opened);
    first.values.push_back(opened + used);
    load.details["weight_bytes"] = model->info().weight_bytes;
  }
  first.details = load.details;
  print_figure(setting, load);
  print_figure(setting, first);
}

// A child, because the largest size a process ever had stays with it.
template <typename S>
void bench_memory(const Setting& setting) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw Error(ErrorCode::io, "memory: no process could be started");
  if (child == 0) {
    try {
      measure_memory<S>(setting);
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "llm-bench: error: %s\n", error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw Error(ErrorCode::internal, "memory: the process that was measured did not end well");
  }
}

template void bench_load<float>(const Setting&);
template void bench_load<double>(const Setting&);
template void bench_memory<float>(const Setting&);
template void bench_memory<double>(const Setting&);

}  // namespace llm::bench
