// Texts and files of rows: one JSON value a line.
#pragma once

#include <filesystem>
#include <fstream>
#include <istream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace llm::test {

template <typename Json>
std::vector<Json> read_rows(std::istream&& in) {
  std::vector<Json> rows;
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}
inline std::vector<nlohmann::json> rows_of(const std::string& text) {
  return read_rows<nlohmann::json>(std::istringstream(text));
}
// With the keys in their order.
inline std::vector<detail::OrderedJson> ordered_rows_of(const std::string& text) {
  return read_rows<detail::OrderedJson>(std::istringstream(text));
}
inline std::vector<nlohmann::json> read_json_rows(const std::filesystem::path& file) {
  return read_rows<nlohmann::json>(std::ifstream(file, std::ios::binary));
}

}  // namespace llm::test
