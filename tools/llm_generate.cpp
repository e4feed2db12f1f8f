// llm-generate: finds the command, runs it, and turns whatever is thrown into a sentence and an
// exit code. What the commands are is in commands/command.hpp, what they share is in shell/.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <new>
#include <system_error>

#include "commands/command.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "shell/console.hpp"
#include "shell/exit_code.hpp"
#include "shell/lost_file.hpp"
#include "shell/output.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

const Command* find_command(std::string_view name) {
  const auto found = std::find_if(std::begin(commands), std::end(commands),
                                  [name](const Command& command) { return command.name == name; });
  return found == std::end(commands) ? nullptr : found;
}

int print_commands() {
  std::string text = "Usage: llm-generate [COMMAND] [OPTIONS] [PROMPT]\n\nCommands:\n";
  for (const Command& command : commands) {
    text += "  " + std::string(command.name) + std::string(14 - command.name.size(), ' ');
    text += std::string(command.summary) + '\n';
  }
  text +=
      "\nllm-generate COMMAND --help lists the options of a command.\n\n"
      "Examples:\n"
      "  llm-generate -m MODEL \"Once upon a time\"\n"
      "  llm-generate -m MODEL --lines prompts.txt --jsonl -o answers.jsonl\n"
      "  llm-generate info MODEL\n\n"
      "MODEL is a folder, a .gguf file, or a repository name in the local Hugging Face cache;\n"
      "without -m it is taken from LLM_GENERATE_MODEL.\n\n"
      "Exit codes: 0 ok, 1 internal or verify found a difference, 2 usage, 3 model, 4 input data,\n"
      "5 some rows failed, 6 input too long, 7 out of memory, time or disk\n"
      "space, 130 interrupted.\n";
  Output out;
  out.write(text);
  out.finish();
  return exit_ok;
}

int dispatch(Arguments arguments) {
  if (arguments.empty()) return run_generate(arguments);
  const std::string first = arguments.front();
  if (first == "--help" || first == "-h" || first == "help") return print_commands();
  if (first == "--version") return run_version({});
  const Command* const command = find_command(first);
  if (command == nullptr) return run_generate(arguments);
  arguments.erase(arguments.begin());
  return command->run(arguments);
}

int report(ErrorCode code, std::string_view sentence) {
  if (code == ErrorCode::interrupted && interrupt_flag()) return signal_exit_code();
  console().error(sentence);
  return exit_code(code);
}

int run(int argc, char** argv) {
  install_signal_handlers();
  install_lost_file_handler();
  console().set_color(ColorMode::automatic);
  try {
    return dispatch(Arguments(argv + std::min(argc, 1), argv + argc));
  } catch (const ClosedPipe&) {
    return exit_ok;  // the reader has all it wanted
  } catch (const Interrupted&) {
    console().note("interrupted");
    return signal_exit_code();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::interrupted && caught_signal() != 0) {
      console().note("interrupted");
      return signal_exit_code();
    }
    return report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return report(ErrorCode::out_of_memory, "out of memory; a smaller --batch-size needs less");
  } catch (const std::system_error& error) {
    return report(detail::code_of_reading(error.code().value()), error.what());
  } catch (const std::exception& error) {
    return report(ErrorCode::internal, std::string("internal error: ") + error.what());
  }
}

}  // namespace
}  // namespace llm::shell

int main(int argc, char** argv) {
  llm::shell::hold_standard_files();
  // An error takes memory, too: where there is not even as much as any command needs, it could not
  // be thrown.
  constexpr std::size_t least = 1 << 20;
  void* const probe = std::malloc(least);
  if (probe == nullptr) {
    std::fputs("llm-generate: error: there is not enough memory to start\n", stderr);
    return llm::shell::exit_limit;
  }
  std::free(probe);
  return llm::shell::run(argc, argv);
}
