// llm-generate version.
#include "commands/options.hpp"
#include "shell/exit_code.hpp"

namespace llm::shell {

int run_version(const Arguments& arguments) {
  CommandLine line("version", "Prints the version.");
  if (const auto done = line.parse(arguments)) return *done;
  Output out;
  out.write("llm-generate " LLM_VERSION "\n");
  out.finish();
  return exit_ok;
}

}  // namespace llm::shell
