// Where real checkpoints and test vectors lie that are not part of the project: tests that want
// them are skipped without them.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace llm::test {

// The folder named by LLM_SHARED, or `shared` beside the source folder. May not exist.
inline std::filesystem::path shared_files() {
  const char* const named = std::getenv("LLM_SHARED");
  if (named != nullptr) return named;
  return std::filesystem::path(LLM_SOURCE_DIR).parent_path() / "shared";
}

// The folder of models named by LLM_PEER_MODELS, or the one that comparisons with other engines
// use.
inline std::filesystem::path peer_models() {
  if (const char* const named = std::getenv("LLM_PEER_MODELS")) return named;
  const char* const home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "" : home) / "llm-peers" / "models";
}

}  // namespace llm::test
