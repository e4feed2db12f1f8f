#include "cli/run_command.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

namespace llm::test {
namespace {

using Pipe = std::array<int, 2>;

Pipe make_pipe() {
  Pipe ends = {-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return ends;
}

// Its end for us, and that of the program.
Pipe open_terminal() {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0)
    throw std::runtime_error("posix_openpt");
  return {master, ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC)};
}

[[noreturn]] void become(const Command& command, int in, int out, int err) {
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE}) ::signal(number, SIG_DFL);
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "TERM=xterm", "HOME=/nonexistent"};
  for (const char* const name : {"ASAN_OPTIONS", "LLM_MUTANT", "LLM_MUTANTS_MET"}) {
    if (const char* const value = ::getenv(name); value != nullptr)
      environment.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : command.environment) environment.push_back(name + "=" + value);
  std::vector<char*> variables, words;
  for (std::string& variable : environment) variables.push_back(variable.data());
  variables.push_back(nullptr);
  std::string program = command.program.empty() ? LLM_GENERATE : command.program;
  words.push_back(program.data());
  for (const std::string& argument : command.arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execve(program.c_str(), words.data(), variables.data());
  ::_exit(127);
}

// Feeds and reads all pipes at once, so that none of them can fill up and block the other side.
class Conversation {
 public:
  Conversation(const Command& command, pid_t child, int in, int out, int err)
      : command_(command), child_(child), in_(in), out_(out), err_(err) {}

  void run(Outcome& outcome) {
    const auto begin = std::chrono::steady_clock::now();
    const auto deadline = begin + std::chrono::seconds(60);
    while (out_ >= 0 || err_ >= 0) {
      if (in_ >= 0 && written_ == command_.input.size()) close(in_);
      std::array<pollfd, 3> waits = {pollfd{in_, POLLOUT, 0}, pollfd{out_, POLLIN, 0},
                                     pollfd{err_, POLLIN, 0}};
      ::poll(waits.data(), waits.size(), command_.kill_after_ms < 0 ? 1000 : 1);
      if (command_.kill_after_ms >= 0 && !signalled_ &&
          std::chrono::steady_clock::now() - begin >
              std::chrono::milliseconds(command_.kill_after_ms)) {
        signalled_ = true;
        ::kill(child_, command_.kill_signal);
      }
      if (waits[0].revents != 0) feed();
      if (waits[1].revents != 0) take(out_, outcome.out);
      if (waits[2].revents != 0) take(err_, outcome.err);
      if (!outcome.out.empty() && command_.signal_after_output != 0 && !signalled_) {
        signalled_ = true;
        ::kill(child_, command_.signal_after_output);
      }
      if (!command_.interrupt_after_error.empty() && !signalled_ &&
          outcome.err.find(command_.interrupt_after_error) != std::string::npos) {
        signalled_ = true;
        ::kill(child_, SIGINT);
      }
      if (std::chrono::steady_clock::now() > deadline) {
        ADD_FAILURE() << "the command did not end within a minute";
        ::kill(child_, SIGKILL);
        break;
      }
    }
    for (int* const end : {&in_, &out_, &err_}) close(*end);
  }

 private:
  static void close(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }

  void feed() {
    const ssize_t count =
        ::write(in_, command_.input.data() + written_, command_.input.size() - written_);
    if (count < 0) return close(in_);
    written_ += static_cast<std::size_t>(count);
  }

  static void take(int& end, std::string& text) {
    char block[4096];
    const ssize_t count = ::read(end, block, sizeof block);
    if (count <= 0) return close(end);
    text.append(block, static_cast<std::size_t>(count));
  }

  const Command& command_;
  pid_t child_;
  int in_, out_, err_;
  std::size_t written_ = 0;
  bool signalled_ = false;
};

}  // namespace

std::string fixture(const std::string& name) {
  return (std::filesystem::path(LLM_SOURCE_DIR) / "models" / name).string();
}

Outcome run(const Command& command) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  if (command.terminal_input) {
    ::close(in[0]);
    in[0] = open_terminal()[1];  // our end stays open until the test program ends
  }
  if (command.terminal_output) {
    for (const int end : out) ::close(end);
    out = open_terminal();
    termios settings{};
    ::tcgetattr(out[1], &settings);
    ::cfmakeraw(&settings);  // what is written is what we read
    ::tcsetattr(out[1], TCSANOW, &settings);
  }
  if (command.terminal_error) {
    for (const int end : err) ::close(end);
    err = open_terminal();
  }
  if (!command.output_file.empty()) {
    ::close(out[1]);
    out[1] = ::open(command.output_file.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (command.closed_output) {
    ::close(out[0]);
    out[0] = -1;
  }
  const pid_t child = ::fork();
  if (child == 0) become(command, in[0], out[1], err[1]);
  for (const int end : {in[0], out[1], err[1]}) ::close(end);
  Outcome outcome;
  Conversation(command, child, in[1], out[0], err[0]).run(outcome);
  int status = 0;
  ::waitpid(child, &status, 0);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

Outcome run(const std::vector<std::string>& arguments, const std::string& input) {
  Command command;
  command.arguments = arguments;
  command.input = input;
  return run(command);
}

void expect_failure(const Command& command, int code, const std::string& part) {
  const Outcome result = run(command);
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("llm-generate: error: ")) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos)
      << "expected \"" << part << "\" in: " << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

void expect_failure(const std::vector<std::string>& arguments, int code, const std::string& part,
                    const std::string& input) {
  Command command;
  command.arguments = arguments;
  command.input = input;
  expect_failure(command, code, part);
}

}  // namespace llm::test
