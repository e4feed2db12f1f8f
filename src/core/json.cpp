#include "core/json.hpp"

#include <fstream>
#include <set>
#include <vector>

#include "llm/core/error.hpp"

namespace llm::detail {

Json parse_json(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_json_depth) {
      throw Error(ErrorCode::bad_format,
                  where + ": JSON is nested deeper than " + std::to_string(max_json_depth) +
                      " levels; no model file needs that, so the file is damaged",
                  where);
    }
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get_ref<const std::string&>()).second) {
      throw Error(ErrorCode::bad_format,
                  where + ": the name " + quote(parsed.get_ref<const std::string&>()) +
                      " occurs twice in one JSON object; remove one of them",
                  where);
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::bad_format, where + ": not valid JSON: " + e.what(), where);
  }
}

Json read_json_file(const std::filesystem::path& file) {
  return parse_json(read_file(file, max_json_bytes), file.string());
}

std::string read_file(const std::filesystem::path& file, std::size_t max_bytes) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);  // also an error for a folder
  std::ifstream in(file, std::ios::binary);
  if (error || !in) {
    throw Error(ErrorCode::file_not_found,
                file.string() + ": cannot be opened; check that it exists and is readable",
                file.string());
  }
  if (size > max_bytes) {
    throw Error(ErrorCode::bad_format,
                file.string() + ": is " + std::to_string(size) + " bytes, expected at most " +
                    std::to_string(max_bytes) + " for a file of this kind",
                file.string());
  }
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uintmax_t>(in.gcount()) != size) {
    throw Error(ErrorCode::io, file.string() + ": could not be read to its end", file.string());
  }
  return bytes;
}

}  // namespace llm::detail
