// What a template may use up: steps, bytes of text, bytes of memory, levels of nesting. Templates
// come from files we did not write and may loop for ever or double a text until memory is full;
// both end in an error, and so does a template that the caller interrupts.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "llm/core/error.hpp"

namespace llm::detail::jinja {

// Thrown inside the interpreter, where nothing knows the place in the template: what is wrong
// without where. Whoever runs the interpreter makes an llm::Error of it.
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

struct Limits {
  std::size_t steps = 10'000'000;
  std::size_t text_bytes = std::size_t{16} << 20U;  // of one text
  std::size_t held_bytes = std::size_t{64} << 20U;  // of all values at a time
};

class Budget {
 public:
  // `interrupt` ends the work when it is set.
  explicit Budget(const std::atomic<bool>* interrupt = nullptr, const Limits& limits = {})
      : limits_(limits), interrupt_(interrupt) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Counts work: one for each node evaluated and each item looked at or made.
  void spend(std::size_t steps) {
    if (interrupt_ != nullptr && interrupt_->load(std::memory_order_relaxed))
      throw Failure{ErrorCode::interrupted, "the template was interrupted"};
    if (steps > limits_.steps - steps_) {
      steps_ = limits_.steps;
      throw Failure{ErrorCode::time_limit, "the template takes more than " +
                                               std::to_string(limits_.steps) +
                                               " steps; it loops for ever or does far too much"};
    }
    steps_ += steps;
  }
  // Counts bytes that are compared, searched or copied.
  void spend_bytes(std::size_t bytes) { spend(bytes / 32); }
  // Counts bytes of a text that is gone through character by character.
  void spend_characters(std::size_t bytes) { spend(bytes / 4); }
  // Counts a text of that many bytes, before it is made.
  void spend_text(std::size_t bytes) {
    if (bytes > limits_.text_bytes)
      throw Failure{ErrorCode::invalid_input, "the template makes a text of more than " +
                                                  std::to_string(limits_.text_bytes >> 20U) +
                                                  " MiB"};
    spend_bytes(bytes);
  }

  const Limits& limits() const { return limits_; }
  std::size_t steps() const { return steps_; }
  std::size_t held_bytes() const { return held_; }

 private:
  friend class Hold;

  void hold(std::size_t bytes) {
    if (bytes > limits_.held_bytes - held_)
      throw Failure{ErrorCode::out_of_memory, "the template needs more than " +
                                                  std::to_string(limits_.held_bytes >> 20U) +
                                                  " MiB of memory for the values it makes"};
    held_ += bytes;
  }

  Limits limits_;
  const std::atomic<bool>* interrupt_;
  std::size_t steps_ = 0;
  std::size_t held_ = 0;
};

// Memory that something takes for as long as it lives. What a template is given takes none: whoever
// gives it has bounded it.
class Hold {
 public:
  Hold() = default;
  Hold(Budget& budget, std::size_t bytes) { grow(budget, bytes); }
  Hold(Hold&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Hold& operator=(Hold&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Hold() {
    if (budget_ != nullptr) budget_->held_ -= bytes_;
  }

  void grow(Budget& budget, std::size_t bytes) {
    budget.hold(bytes);
    budget_ = &budget;
    bytes_ += bytes;
  }

 private:
  Budget* budget_ = nullptr;
  std::size_t bytes_ = 0;
};

// A text under construction that cannot outgrow the budget.
class Builder {
 public:
  explicit Builder(Budget& budget) : budget_(budget) {}

  Builder& operator+=(std::string_view part) {
    make_room(part.size());
    text_ += part;
    return *this;
  }
  Builder& operator+=(char c) { return *this += std::string_view(&c, 1); }
  void repeat(std::string_view part, std::size_t count) {
    if (part.empty()) return;
    make_room(count > budget_.limits().text_bytes ? SIZE_MAX : part.size() * count);
    for (std::size_t i = 0; i < count; ++i) text_ += part;
  }
  std::string take() {
    hold_ = Hold();
    return std::move(text_);
  }
  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }
  Budget& budget() { return budget_; }

 private:
  void make_room(std::size_t more) {
    const std::size_t before = text_.size();
    const std::size_t most = budget_.limits().text_bytes;
    if (more > most - before) budget_.spend_text(SIZE_MAX);
    const std::size_t after = before + more;
    budget_.spend(after / 32 - before / 32);
    if (after <= text_.capacity()) return;
    const std::size_t room = std::max(after, std::min(2 * before, most));
    Hold larger(budget_, room);
    text_.reserve(room);
    hold_ = std::move(larger);
  }

  Budget& budget_;
  Hold hold_;
  std::string text_;
};

}  // namespace llm::detail::jinja
