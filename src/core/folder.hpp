// Files of a folder, by name and by the ends of their names.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace llm::detail {

// What a name stands for, through links; not_found when there is nothing of that name. A file of a
// model never counts as absent because it cannot be reached: a link that leads nowhere or to
// itself, a folder that may not be entered and a name that is too long throw Error
// (file_not_found).
std::filesystem::file_type type_of(const std::filesystem::path& path);
inline bool is_there(const std::filesystem::path& path) {
  return type_of(path) != std::filesystem::file_type::not_found;
}
inline bool is_folder(const std::filesystem::path& path) {
  return type_of(path) == std::filesystem::file_type::directory;
}

// The files whose names end in one of these, sorted. Throws Error (file_not_found) when the folder
// cannot be read.
std::vector<std::filesystem::path> files_ending_in(const std::filesystem::path& folder,
                                                   std::initializer_list<std::string_view> endings);

// The only such file; empty when there is none, or when there are several.
std::filesystem::path only_file(const std::filesystem::path& folder, std::string_view ending);

}  // namespace llm::detail
