// Ctrl-C, SIGTERM and closed pipes. The first signal asks the work to end after the current token;
// the second ends the program at once.
#pragma once

#include <atomic>

namespace llm::shell {

// To be called once, first. Also ignores SIGPIPE: a closed pipe is then a failing write.
void install_signal_handlers();

// Set by the first SIGINT or SIGTERM.
const std::atomic<bool>& interrupt_flag();

// The signal that was caught, 0 when none was.
int caught_signal();
// How a program ends that this signal ended.
inline int signal_exit_code() { return 128 + caught_signal(); }

// Goes on after a SIGINT: the next one is the first again.
void clear_interrupt();

}  // namespace llm::shell
