#include "core/folder.hpp"

#include <algorithm>
#include <string>

#include "core/system_error.hpp"

namespace llm::detail {

namespace fs = std::filesystem;

fs::file_type type_of(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (type != fs::file_type::not_found) {
    if (error) fail_reading(path, "opened", error.value());
    return type;
  }
  if (fs::is_symlink(fs::symlink_status(path, error))) {
    throw Error(ErrorCode::file_not_found,
                path.string() + ": is a link to " + quote(fs::read_symlink(path, error).string()) +
                    ", which does not exist",
                path.string());
  }
  return type;
}

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
    throw Error(code_of_reading(error.value()),
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
