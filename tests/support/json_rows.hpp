// Texts and files of rows: one JSON value a line.
#pragma once

#include <filesystem>
#include <fstream>
#include <istream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace llm::test {

inline std::vector<nlohmann::json> rows_of(std::istream&& in) {
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}
inline std::vector<nlohmann::json> rows_of(const std::string& text) {
  return rows_of(std::istringstream(text));
}
inline std::vector<nlohmann::json> read_json_rows(const std::filesystem::path& file) {
  return rows_of(std::ifstream(file, std::ios::binary));
}

}  // namespace llm::test
