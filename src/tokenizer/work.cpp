#include "tokenizer/work.hpp"

namespace llm::detail {

void Work::fail(const char* what) const {
  throw Error(code_,
              *where_ + ": a text of " + std::to_string(bytes_) + " bytes " + what +
                  "; the tokenizer is damaged or made to do harm, get it from its source again",
              *where_);
}

void Work::check_interrupt() {
  if (interrupt_ == nullptr) return;
  if (*interrupt_) throw Error(ErrorCode::interrupted, *where_ + ": the work was interrupted");
  next_check_ = looks_left_ > looks_between_checks ? looks_left_ - looks_between_checks : 0;
}

}  // namespace llm::detail
