// Opens what a model's folder or file holds, for commands.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm::shell {

// The tokenizer, or null when there is none: prompts are then token ids.
inline std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& model) {
  try {
    return Tokenizer::open(model);
  } catch (const Error& error) {
    // When a folder has no tokenizer, the error is about the folder, else about the file that
    // cannot be read.
    const bool has_none = error.subject() == model.string();
    if (error.code() != ErrorCode::file_not_found || !has_none) throw;
    return nullptr;
  }
}

// What `--dtype` asks for: how weights are kept, and in which precision to compute.
struct Precision {
  bool f64 = false;
  WeightType weights = WeightType::as_stored;
};
// Throws Error (invalid_option).
Precision parse_precision(const std::string& dtype);

// What `--kv-dtype` asks for. Throws Error (invalid_option).
KVType parse_kv_type(const std::string& dtype);

// Calls `action` with a value of the scalar type to compute with.
template <typename Action>
int with_scalar(const Precision& precision, const Action& action) {
  return precision.f64 ? action(double{}) : action(float{});
}

}  // namespace llm::shell
