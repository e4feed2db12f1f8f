// Counts how deep evaluation recurses; include where the interpreter's members are defined.
#pragma once

#include "chat/interpreter.hpp"

namespace llm::detail::jinja {

class Interpreter::Level {
 public:
  explicit Level(Interpreter& in) : in_(in) {
    if (in_.depth_ >= max_evaluation_depth)
      fail("evaluation is nested more than " + std::to_string(max_evaluation_depth) +
           " levels deep (a macro that calls itself?)");
    ++in_.depth_;
  }
  ~Level() { --in_.depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  Interpreter& in_;
};

}  // namespace llm::detail::jinja
