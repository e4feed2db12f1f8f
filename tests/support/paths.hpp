// Where tests find the data that is part of the project.
#pragma once

#include <filesystem>
#include <string>

namespace llm::test {

inline std::filesystem::path source_dir() { return LLM_SOURCE_DIR; }

// Tiny checkpoints with their references.
inline std::filesystem::path models_dir() { return source_dir() / "models"; }
inline std::filesystem::path model_dir(const std::string& name) { return models_dir() / name; }

}  // namespace llm::test
