#include "core/folder.hpp"

#include <algorithm>
#include <string>

#include "llm/core/error.hpp"

namespace llm::detail {

namespace fs = std::filesystem;

std::vector<fs::path> files_ending_in(const fs::path& folder,
                                      std::initializer_list<std::string_view> endings) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (std::ranges::any_of(endings, [&](std::string_view e) { return name.ends_with(e); })) {
      found.push_back(it->path());
    }
  }
  if (error) {
    throw Error(error == std::errc::not_enough_memory ? ErrorCode::out_of_memory
                                                      : ErrorCode::file_not_found,
                folder.string() + ": the folder cannot be read: " + error.message(),
                folder.string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path only_file(const fs::path& folder, std::string_view ending) {
  const std::vector<fs::path> found = files_ending_in(folder, {ending});
  return found.size() == 1 ? found.front() : fs::path();
}

}  // namespace llm::detail
