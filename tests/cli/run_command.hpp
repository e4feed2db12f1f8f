// Runs llm-generate as a shell would and catches what it prints and how it ends.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace llm::test {

// The source folder's fixture of that name.
std::string fixture(const std::string& name);
inline const std::string llama = fixture("llama-gqa"), gpt2 = fixture("gpt2-inner"),
                         t5 = fixture("t5-v1_0");

struct Command {
  std::vector<std::string> arguments;
  std::string program;                             // default: llm-generate
  std::string input;                               // what is piped in; nothing: an empty pipe
  bool terminal_input = false;                     // standard input is a terminal instead
  bool terminal_output = false;                    // standard output is a terminal instead
  bool terminal_error = false;                     // standard error is a terminal instead
  std::map<std::string, std::string> environment;  // on top of a bare one
  std::string output_file;                         // where standard output goes instead
  bool closed_output = false;                      // nobody reads standard output
  int signal_after_output = 0;                     // sent when the first output came
  std::string interrupt_after_error;               // Ctrl-C when standard error has this
  int kill_after_ms = -1;                          // sent kill_signal then; negative: never
  int kill_signal = 9;                             // SIGKILL
};

struct Outcome {
  int exit_code = -1;  // 128 + signal when a signal ended it
  std::string out, err;
};

// Fails the test when the program takes more than a minute.
Outcome run(const Command& command);
Outcome run(const std::vector<std::string>& arguments, const std::string& input = {});

// Nothing but one sentence about an error on standard error, with `part` in it.
void expect_failure(const Command& command, int code, const std::string& part);
void expect_failure(const std::vector<std::string>& arguments, int code, const std::string& part,
                    const std::string& input = {});

}  // namespace llm::test
