// Messages for people, on standard error: errors, warnings, and with -v details. A message is one
// line, and nothing it quotes can control the terminal: see printable(). Standard output is for
// data, see output.hpp.
#pragma once

#include <string>
#include <string_view>

namespace llm::shell {

enum class Verbosity { quiet, normal, verbose };
enum class ColorMode { automatic, always, never };

class Console {
 public:
  void set_verbosity(Verbosity verbosity) { verbosity_ = verbosity; }
  // Honours NO_COLOR and TERM=dumb in automatic mode.
  void set_color(ColorMode mode);

  void error(std::string_view sentence) const;
  void warning(std::string_view sentence) const;  // not with -q
  void note(std::string_view sentence) const;     // not with -q
  void detail(std::string_view line) const;       // with -v only
  // Whole lines for people; not with -q.
  void lines(std::string_view text) const;
  // The same, also with -q: for what was asked for.
  void show(std::string_view text) const;
  // Whether standard error is a terminal that can redraw a line, and there is no -q.
  bool shows_progress() const;
  bool is_verbose() const { return verbosity_ == Verbosity::verbose; }

 private:
  void print(std::string_view kind, std::string_view color, std::string_view sentence) const;

  Verbosity verbosity_ = Verbosity::normal;
  bool color_ = false;
};

// The one console of the program.
Console& console();

}  // namespace llm::shell
