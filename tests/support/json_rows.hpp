// Files of vectors: one JSON value a line.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace llm::test {

inline std::vector<nlohmann::json> read_json_rows(const std::filesystem::path& file) {
  std::vector<nlohmann::json> rows;
  std::ifstream in(file, std::ios::binary);
  for (std::string line; std::getline(in, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

}  // namespace llm::test
