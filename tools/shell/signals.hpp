// What the system does to a process. Ctrl-C and SIGTERM: the first one asks the work to end after
// the current token, the second ends the program at once. Closed pipes, limits on the size of files
// and standard files that are closed.
#pragma once

#include <atomic>
#include <exception>

namespace llm::shell {

// To be called once, first. Also ignores SIGPIPE and SIGXFSZ: a closed pipe and a file that grows
// beyond a limit are then failing writes.
void install_signal_handlers();

// To be called once, before any file is opened. Where standard input, output or error is closed,
// another file would get its number and be mistaken for it: the numbers are taken by what cannot be
// read, or written.
void hold_standard_files();

// Set by the first SIGINT or SIGTERM.
const std::atomic<bool>& interrupt_flag();

// A signal came while something was read that is of use only as a whole.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};
// Throws Interrupted after a signal. To be called when such a thing was read: the end that reading
// came to may not be its own.
void check_not_interrupted();

// The signal that was caught, 0 when none was.
int caught_signal();
// How a program ends that this signal ended.
inline int signal_exit_code() { return 128 + caught_signal(); }

// Goes on after a SIGINT: the next one is the first again.
void clear_interrupt();

}  // namespace llm::shell
