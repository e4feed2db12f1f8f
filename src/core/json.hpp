// JSON for the library's own sources (never included from include/): nlohmann/json behind a door
// that bounds size and depth, rejects duplicate keys, and turns every failure into llm::Error.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace llm::detail {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps the order of keys

// Limits on JSON that comes from files we did not write.
inline constexpr std::size_t max_json_bytes = std::size_t{256} << 20;
inline constexpr int max_json_depth = 100;

// Parses `text`; `where` names the file in errors (bad_format).
Json parse_json(std::string_view text, const std::string& where);

// Reads and parses a file; file_not_found or bad_format.
Json read_json_file(const std::filesystem::path& file);

// The whole file as bytes; file_not_found, io, or bad_format when larger than max_bytes.
std::string read_file(const std::filesystem::path& file, std::size_t max_bytes);

}  // namespace llm::detail
