// llm-generate pack: a folder with weights in the order in which they are used.
#include "commands/options.hpp"
#include "llm/core/thread_pool.hpp"
#include "llm/model/model.hpp"
#include "shell/exit_code.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {

int run_pack(const Arguments& arguments) {
  CommandLine line(
      "pack",
      "Writes a folder that opens as the model does, only faster and with less memory: "
      "weights in\nthe order and type in which they are used, mapped instead of read.");
  line.model_option(true);
  line.adapter_option();
  std::string dtype = "auto", output;
  int threads = 0;
  line.option("--dtype", dtype,
              "How weights are kept: auto (as in the file), f32, bf16, int8, int8-channel, int4");
  line.option("-o,--output", output, "The folder to write; must not exist")->required();
  line.option("-t,--threads", threads, "Threads (default: one per core)")
      ->check(CLI::Range(0, ThreadPool::max_threads));
  if (const auto done = line.parse(arguments)) return *done;

  const Precision precision = parse_precision(dtype);
  if (precision.f64) {
    throw Error(ErrorCode::invalid_option, "--dtype f64 is no type of packed weights", "--dtype");
  }
  pack_model(find_model(line.model_name()), output,
             {.threads = threads, .adapters = line.adapters(), .weights = precision.weights});
  return exit_ok;
}

}  // namespace llm::shell
