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

}  // namespace llm::test
