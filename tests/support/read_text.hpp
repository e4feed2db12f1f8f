#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace llm::test {

// All bytes of a file; nothing for one that cannot be read.
inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace llm::test
