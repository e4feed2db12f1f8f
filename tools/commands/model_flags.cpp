// Flags to LoadOptions.
#include "commands/model_flags.hpp"

#include "llm/core/thread_pool.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {

ModelFlags::ModelFlags(CommandLine& line) : line_(line) {
  line_.model_option(false);
  line_.adapter_option();
  line_
      .option("--dtype", dtype_,
              "How weights are kept: auto (as in the file), f32, bf16, int8, int8-channel, int4; "
              "f64: compute in "
              "double")
      ->group("Run");
  line_
      .flag("--fast", fast_,
            "Round activations more: to 8 bits, not 16, beside quantized weights; to bf16 beside "
            "bf16")
      ->group("Run");
  line_
      .option("--kv-dtype", kv_dtype_,
              "How keys and values are kept: f32, or bf16: half the memory, faster behind long "
              "prompts")
      ->group("Run");
  line_.option("-t,--threads", threads_, "Threads (default: one per core)")
      ->group("Run")
      ->check(CLI::Range(0, ThreadPool::max_threads));
}

std::filesystem::path ModelFlags::path() const { return find_model(line_.model_name()); }

LoadOptions ModelFlags::load_options() const {
  return {.threads = threads_,
          .adapters = line_.adapters(),
          .weights = precision().weights,
          .fast = fast_,
          .kv = parse_kv_type(kv_dtype_)};
}

}  // namespace llm::shell
