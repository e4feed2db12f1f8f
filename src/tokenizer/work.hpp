// What one call of encode() or decode() may cost. A tokenizer file of a few hundred bytes can ask
// for a text that doubles forty times, or for regular expressions that try everything: all steps of
// a call share one budget, which grows with the text and is far above what sound files need.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "llm/core/error.hpp"

namespace llm::detail {

class Work {
 public:
  // For a text of so many bytes. `file` must outlive the work; a failure has the code `code`. Once
  // `interrupt`, which may be null, is set the work ends with an Error (interrupted).
  Work(std::size_t bytes, const std::string& file, ErrorCode code = ErrorCode::invalid_input,
       const std::atomic<bool>* interrupt = nullptr)
      : bytes_(bytes), where_(&file), code_(code), interrupt_(interrupt) {
    looks_left_ += bytes * looks_per_byte;
    made_left_ += bytes * made_per_byte;
    check_interrupt();
  }

  // Names the step that works from now on; must outlive the work.
  void enter(const std::string& where) {
    if (!where.empty()) where_ = &where;
    check_interrupt();
  }
  // Bytes that are read once, or something that takes as long.
  void look(std::size_t count) {
    if (count > looks_left_) fail("takes more work than any sound tokenizer needs for it");
    looks_left_ -= count;
    if (looks_left_ < next_check_) check_interrupt();
  }
  // Bytes that the text grows by. To be called before they are made.
  void make(std::size_t count) {
    if (count > made_left_) fail("becomes longer than any sound tokenizer makes it");
    made_left_ -= count;
  }

 private:
  static constexpr std::size_t base = std::size_t{16} << 20U;
  static constexpr std::size_t looks_per_byte = 256;
  static constexpr std::size_t made_per_byte = 32;

  static constexpr std::size_t looks_between_checks = std::size_t{1} << 16U;

  [[noreturn]] void fail(const char* what) const;
  void check_interrupt();

  std::size_t bytes_;
  std::size_t looks_left_ = base, made_left_ = base;
  const std::string* where_;
  ErrorCode code_;
  const std::atomic<bool>* interrupt_;
  std::size_t next_check_ = 0;  // of looks_left_; 0: never
};

}  // namespace llm::detail
