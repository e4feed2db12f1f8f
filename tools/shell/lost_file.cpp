// The handler may run at any moment, so it neither allocates nor locks: it asks the system what is
// mapped at the address.
#include "shell/lost_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "shell/exit_code.hpp"

namespace llm::shell {
namespace {

void tell(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::uintptr_t take_hexadecimal(std::string_view& text) {
  std::uintptr_t value = 0;
  for (; !text.empty(); text.remove_prefix(1)) {
    const char c = text[0];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) break;
    value = value * 16 + static_cast<std::uintptr_t>(digit);
  }
  return value;
}

// The path of a line "7f00-7f10 r--p 0 8:1 5 /path" if its range holds the address.
std::string_view path_if_at(std::string_view line, std::uintptr_t address) {
  const std::uintptr_t begin = take_hexadecimal(line);
  if (line.empty()) return {};
  line.remove_prefix(1);
  const std::uintptr_t end = take_hexadecimal(line);
  const std::size_t path = line.find('/');
  const bool is_there = address >= begin && address < end && path != std::string_view::npos;
  return is_there ? line.substr(path) : std::string_view();
}

// Calls f for every line of /proc/self/maps until it returns true; returns whether it did.
template <typename F>
bool any_line_of_maps(const F& f) {
  static std::array<char, 1 << 14> text;  // a line is shorter than two paths
  const int file = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  bool found = false;
  for (std::size_t size = 0; !found && file >= 0;) {
    const ssize_t count = ::read(file, text.data() + size, text.size() - size);
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
    std::string_view rest(text.data(), size);
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos && !found;
         end = rest.find('\n')) {
      found = f(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    std::memmove(text.data(), rest.data(), rest.size());
    size = rest.size();
  }
  if (file >= 0) ::close(file);
  return found;
}

// Whether a file is mapped there.
bool tell_file_at(std::uintptr_t address) {
  return any_line_of_maps([address](std::string_view line) {
    const std::string_view path = path_if_at(line, address);
    for (const char& c : path) {
      const auto byte = static_cast<unsigned char>(c);
      tell(byte < 0x20 || byte >= 0x7f ? "?" : std::string_view(&c, 1));
    }
    return !path.empty();
  });
}

extern "C" void on_bus_error(int number, siginfo_t* info, void*) {
  if (info->si_code <= 0) {  // sent by a process
    ::signal(number, SIG_DFL);
    ::raise(number);
    return;
  }
  tell("llm-generate: error: ");
  if (!tell_file_at(reinterpret_cast<std::uintptr_t>(info->si_addr))) tell("memory");
  tell(
      ": cannot be read any more: it was made shorter while it was in use, or its device failed; "
      "replace the files of a model instead of changing them, and run this again\n");
  _exit(exit_model);
}

}  // namespace

void install_lost_file_handler() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace llm::shell
