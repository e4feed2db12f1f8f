// What a template may use up: steps, bytes of text, levels of nesting. Templates come from files we
// did not write and may loop for ever or double a text until memory is full; both end in an error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "llm/core/error.hpp"

namespace llm::detail::jinja {

// Thrown inside the interpreter, where nothing knows the place in the template: what is wrong
// without where. Interpreter::render makes an llm::Error of it.
struct Failure {
  ErrorCode code;
  std::string sentence;
};

// What a template says with raise_exception: the whole sentence of the error.
struct RaisedFailure {
  std::string sentence;
};

// What the template does with the messages it was given does not work out.
[[noreturn]] inline void fail(std::string sentence) {
  throw Failure{ErrorCode::invalid_input, std::move(sentence)};
}

// Levels of values inside of values, of syntax inside of syntax, of evaluation inside of evaluation
// (calls of macros included): all three recurse in C++.
inline constexpr int max_value_depth = 200;
inline constexpr int max_syntax_depth = 60;
inline constexpr int max_evaluation_depth = 400;

class Budget {
 public:
  static constexpr std::int64_t max_steps = 10'000'000;
  static constexpr std::size_t max_text_bytes = std::size_t{32} << 20U;

  // Counts work: one for each node evaluated, each item looked at, each 32 bytes of text made.
  void spend(std::size_t steps) {
    steps_ += static_cast<std::int64_t>(steps);
    if (steps_ > max_steps)
      throw Failure{ErrorCode::time_limit, "the template takes more than " +
                                               std::to_string(max_steps) +
                                               " steps; it loops for ever or does far too much"};
  }
  // Counts a text of that many bytes, before it is made.
  void spend_text(std::size_t bytes) {
    if (bytes > max_text_bytes)
      throw Failure{ErrorCode::invalid_input, "the template makes a text of more than " +
                                                  std::to_string(max_text_bytes >> 20U) + " MiB"};
    spend(bytes / 32);
  }

 private:
  std::int64_t steps_ = 0;
};

// A text under construction that cannot outgrow the budget.
class Builder {
 public:
  explicit Builder(Budget& budget) : budget_(budget) {}

  Builder& operator+=(std::string_view part) {
    if (part.size() > Budget::max_text_bytes - text_.size())
      budget_.spend_text(part.size() + text_.size());
    budget_.spend(part.size() / 32);
    text_ += part;
    return *this;
  }
  Builder& operator+=(char c) { return *this += std::string_view(&c, 1); }
  void repeat(std::string_view part, std::size_t count) {
    for (std::size_t i = 0; i < count && !part.empty(); ++i) {
      budget_.spend(1);
      *this += part;
    }
  }
  std::string take() { return std::move(text_); }
  bool empty() const { return text_.empty(); }
  Budget& budget() { return budget_; }

 private:
  Budget& budget_;
  std::string text_;
};

}  // namespace llm::detail::jinja
