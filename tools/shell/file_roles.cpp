#include "shell/file_roles.hpp"

#include <sys/stat.h>

#include <map>
#include <utility>

#include "llm/core/error.hpp"

namespace llm::shell {
namespace {

enum class FileRole { read, replaced };

// Of the file of that device and number.
void note_role(const struct stat& status, FileRole role, const std::string& name) {
  static std::map<std::pair<dev_t, ino_t>, FileRole> roles;
  if (!S_ISREG(status.st_mode)) return;
  const auto [known, is_new] = roles.emplace(std::pair(status.st_dev, status.st_ino), role);
  if (!is_new && known->second != role)
    throw Error(ErrorCode::invalid_option,
                quote(name) +
                    " is both read and to be replaced by the output; give the output another name",
                name);
}

}  // namespace

void note_reading(int file, const std::string& name) {
  struct stat status = {};
  if (::fstat(file, &status) == 0) note_role(status, FileRole::read, name);
}

void note_reading(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) note_role(status, FileRole::read, path);
}

void note_replacing(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) == 0) note_role(status, FileRole::replaced, path);
}

}  // namespace llm::shell
