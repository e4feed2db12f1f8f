// What lies in a folder, by the ends of names.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace llm::detail {

// The files whose names end in one of these, sorted. Throws Error (file_not_found) when the folder
// cannot be read.
std::vector<std::filesystem::path> files_ending_in(const std::filesystem::path& folder,
                                                   std::initializer_list<std::string_view> endings);

// The only such file; empty when there is none, or several, which is as good as none.
std::filesystem::path only_file(const std::filesystem::path& folder, std::string_view ending);

}  // namespace llm::detail
