#include "shell/signals.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace llm::shell {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<int> signal_number{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int number) {
  if (interrupted.exchange(true)) _exit(128 + number);
  signal_number = number;
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;  // no SA_RESTART: waiting for input ends, too
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

void hold_standard_files() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (::fcntl(number, F_GETFD) >= 0 || errno != EBADF) continue;
    // It gets the lowest number that is free: this one.
    ::open("/dev/null", number == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
  }
}

const std::atomic<bool>& interrupt_flag() { return interrupted; }

void check_not_interrupted() {
  if (interrupted) throw Interrupted();
}

int caught_signal() { return signal_number; }

void clear_interrupt() {
  signal_number = 0;
  interrupted = false;
}

}  // namespace llm::shell
