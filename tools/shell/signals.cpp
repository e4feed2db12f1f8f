#include "shell/signals.hpp"

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
}

const std::atomic<bool>& interrupt_flag() { return interrupted; }

int caught_signal() { return signal_number; }

void clear_interrupt() {
  signal_number = 0;
  interrupted = false;
}

}  // namespace llm::shell
