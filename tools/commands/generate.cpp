// llm-generate generate: prompts in, texts out. A decoder completes, an encoder-decoder transforms.
#include "commands/eval_flags.hpp"
#include "commands/generation_flags.hpp"

namespace llm::shell {

int run_generate(const Arguments& arguments) {
  CommandLine line("generate",
                   "Completes a prompt (decoder) or transforms it (encoder-decoder).\n"
                   "Piped text is the prompt; with a prompt argument as well, it comes before it.");
  GenerationFlags flags(line, {.fields = {"text"},
                               .argument = "PROMPT",
                               .option = "-p,--prompt",
                               .ids = true,
                               .prompt = true,
                               .plain = true});
  const EvalFlags eval(line, {.reference = "reference"});
  if (const auto done = line.parse(arguments)) return *done;
  GenerationJob job = flags.job();
  return eval.run(job.rows, [&] { return run_generation(job); });
}

}  // namespace llm::shell
