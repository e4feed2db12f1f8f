// Opening what a model folder or file holds, as commands need it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "llm/core/error.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm::shell {

// The tokenizer, or null where there is none: prompts are then token ids.
inline std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& model) {
  try {
    return Tokenizer::open(model);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::file_not_found) throw;
    return nullptr;
  }
}

// Calls `action` with a value of the type that `--dtype` names. Throws Error (invalid_option).
template <typename Action>
int with_scalar(const std::string& dtype, const Action& action) {
  if (dtype == "f32") return action(float{});
  if (dtype == "f64") return action(double{});
  throw Error(ErrorCode::invalid_option,
              "--dtype " + quote(dtype) + " does not exist; expected f32 (the default) or f64",
              "--dtype");
}

}  // namespace llm::shell
