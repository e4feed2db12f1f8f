// JSON for the library's own sources (never included from include/): nlohmann/json with limits on
// size and depth. Duplicate keys are refused, and every failure becomes an llm::Error.
#pragma once

#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/ordered_map.hpp"

namespace llm::detail {

using Json = nlohmann::json;
using OrderedJson = nlohmann::basic_json<OrderedMap>;  // keeps the order of keys

// Limits on JSON of files from others. A value may take fifty times the bytes of its text, so what
// is small in real folders (configurations, options, lists of special tokens) has a small limit.
// Tables of vocabularies and tensors are larger.
inline constexpr std::size_t max_config_bytes = std::size_t{8} << 20;
inline constexpr std::size_t max_table_bytes = std::size_t{64} << 20;
inline constexpr int max_json_depth = 100;

// Parses `text`; `where` names the file in errors (bad_format).
Json parse_json(std::string_view text, const std::string& where);

// The same, but keeps the order of keys. Ends with an Error (interrupted) once `interrupt` is set,
// which may be null.
OrderedJson parse_ordered_json(std::string_view text, const std::string& where,
                               const std::atomic<bool>* interrupt = nullptr);

// Reads and parses a file; file_not_found, or bad_format, also when it is larger than max_bytes,
// which is checked before anything is read.
Json read_json_file(const std::filesystem::path& file, std::size_t max_bytes = max_config_bytes);

// The whole file as bytes; file_not_found, io, or bad_format when it is larger than max_bytes.
std::string read_file(const std::filesystem::path& file, std::size_t max_bytes);

}  // namespace llm::detail
