#include "fuzz/folder_input.hpp"

#include <stdlib.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <stdexcept>

#include "support/paths.hpp"

namespace llm::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view marker = "=== ";

bool is_usable(std::string_view name) {
  constexpr std::size_t longest = 100;
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
  return !name.empty() && name.size() <= longest && name.front() != '/' && name.back() != '/' &&
         name.find("..") == std::string_view::npos && name.find("/.") == std::string_view::npos &&
         name.find("//") == std::string_view::npos &&
         name.find_first_not_of(allowed) == std::string_view::npos && name != ".";
}

}  // namespace

std::vector<Part> parse_folder(std::string_view input) {
  std::vector<Part> parts;
  while (input.starts_with(marker)) {
    const std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(line.size() + 1, input.size()));
    const std::size_t space = line.rfind(' ');
    std::size_t size = 0;
    std::from_chars(line.data() + space + 1, line.data() + line.size(), size);
    size = std::min(size, input.size());
    const std::string_view name = space < marker.size()
                                      ? std::string_view()
                                      : line.substr(marker.size(), space - marker.size());
    if (is_usable(name) && find_part(parts, name) == nullptr) {
      parts.push_back({std::string(name), std::string(input.substr(0, size))});
    }
    input.remove_prefix(size);
    if (input.starts_with('\n')) input.remove_prefix(1);
  }
  return parts;
}

std::string folder_bytes(const std::vector<Part>& parts) {
  std::string all;
  for (const Part& part : parts) {
    all.append(marker).append(part.name).append(" ");
    all.append(std::to_string(part.bytes.size())).append("\n").append(part.bytes).append("\n");
  }
  return all;
}

const Part* find_part(const std::vector<Part>& parts, std::string_view name) {
  const auto found = std::ranges::find(parts, name, &Part::name);
  return found == parts.end() ? nullptr : &*found;
}

std::string_view part_bytes(const std::vector<Part>& parts, std::string_view name) {
  const Part* part = find_part(parts, name);
  return part ? std::string_view(part->bytes) : std::string_view();
}

InputFolder::InputFolder() {
  std::error_code error;
  const fs::path shared_memory = "/dev/shm";
  const fs::path parent =
      fs::is_directory(shared_memory, error) ? shared_memory : fs::temp_directory_path();
  std::string name = (parent / "llm-fuzz-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + name);
  path_ = name;
}

InputFolder::~InputFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

const fs::path& InputFolder::fill(const std::vector<Part>& parts) {
  for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path());
  for (const Part& part : parts) {
    const fs::path file = path_ / part.name;
    if (!file.has_extension()) continue;
    std::error_code error;
    fs::create_directories(file.parent_path(), error);
    std::ofstream out(file, std::ios::binary);  // cannot be made where a part is another's folder
    out.write(part.bytes.data(), static_cast<std::streamsize>(part.bytes.size()));
  }
  std::error_code error;
  const fs::path base = test::models_dir() / part_bytes(parts, "base");
  if (find_part(parts, "base") == nullptr || !fs::is_directory(base, error)) return path_;
  for (const auto& entry : fs::directory_iterator(base)) {
    const fs::path file = path_ / entry.path().filename();
    if (!fs::exists(file, error)) fs::create_symlink(entry.path(), file, error);
  }
  return path_;
}

}  // namespace llm::fuzz
