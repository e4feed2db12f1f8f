#include "shell/console.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "llm/core/error.hpp"

namespace llm::shell {

Console& console() {
  static Console instance;
  return instance;
}

namespace {

bool is_clever_terminal() {
  const char* const terminal = std::getenv("TERM");
  return terminal != nullptr && std::strcmp(terminal, "dumb") != 0 && ::isatty(STDERR_FILENO) != 0;
}

}  // namespace

void Console::set_color(ColorMode mode) {
  const char* const no_color = std::getenv("NO_COLOR");
  const bool wanted = (no_color == nullptr || *no_color == '\0') && is_clever_terminal();
  color_ = mode == ColorMode::always || (mode == ColorMode::automatic && wanted);
}

bool Console::shows_progress() const {
  return verbosity_ != Verbosity::quiet && is_clever_terminal();
}

void Console::print(std::string_view kind, std::string_view color, std::string_view text) const {
  std::string line = "llm-generate: ";
  if (!kind.empty())
    line += color_ ? std::string(color) + std::string(kind) + "\033[0m " : std::string(kind) + " ";
  line += printable(text);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void Console::error(std::string_view sentence) const { print("error:", "\033[1;31m", sentence); }

void Console::warning(std::string_view sentence) const {
  if (verbosity_ != Verbosity::quiet) print("warning:", "\033[1;33m", sentence);
}

void Console::note(std::string_view sentence) const {
  if (verbosity_ != Verbosity::quiet) print("", "", sentence);
}

void Console::lines(std::string_view text) const {
  if (verbosity_ != Verbosity::quiet) show(text);
}

void Console::show(std::string_view text) const {
  const std::string lines = printable(text, "\t\n");
  std::fwrite(lines.data(), 1, lines.size(), stderr);
}

void Console::detail(std::string_view line) const {
  if (verbosity_ == Verbosity::verbose) print("", "", line);
}

}  // namespace llm::shell
