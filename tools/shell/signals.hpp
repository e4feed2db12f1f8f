// What the system does to a process. Ctrl-C and SIGTERM: the first asks the work to end after the
// current token, the second ends the program at once. Also closed pipes, limits on the size of
// files, and closed standard files.
#pragma once

#include <atomic>
#include <exception>

namespace llm::shell {

// Call it once, first. Also ignores SIGPIPE and SIGXFSZ: a closed pipe and a file beyond its limit
// are then writes that fail.
void install_signal_handlers();

// Call it once, before any file is opened. If standard input, output or error is closed, another
// file would get its number and be taken for it: so these numbers get something that cannot be
// read, or written.
void hold_standard_files();

// Set by the first SIGINT or SIGTERM.
const std::atomic<bool>& interrupt_flag();

// A signal came while something was read that is useful only as a whole.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};
// Throws Interrupted after a signal. Call it after reading such a thing: its end may have been the
// signal's doing.
void check_not_interrupted();

// The signal that was caught, 0 when none was.
int caught_signal();
// The exit code of a program that this signal ended.
inline int signal_exit_code() { return 128 + caught_signal(); }

// Goes on after a SIGINT: the next one counts as the first.
void clear_interrupt();

}  // namespace llm::shell
