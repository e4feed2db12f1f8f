#include "core/gguf_split.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>

#include "core/folder.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {

namespace fs = std::filesystem;

std::optional<SplitName> split_name(const fs::path& file) {
  constexpr std::string_view pattern = "-00000-of-00000.gguf";  // digits at the zeros
  const std::string name = file.filename().string();
  if (name.size() <= pattern.size()) return std::nullopt;
  const std::string ending = name.substr(name.size() - pattern.size());
  const bool fits = std::ranges::equal(
      ending, pattern, [](char a, char b) { return b == '0' ? a >= '0' && a <= '9' : a == b; });
  if (!fits) return std::nullopt;
  constexpr std::size_t number = 1, count = 10, digits = 5;
  return SplitName{name.substr(0, name.size() - pattern.size()),
                   std::stol(ending.substr(number, digits)),
                   std::stol(ending.substr(count, digits))};
}

fs::path split_part(const fs::path& file, const SplitName& name, std::int64_t number) {
  char ending[64];
  std::snprintf(ending, sizeof ending, "-%05lld-of-%05lld.gguf", static_cast<long long>(number),
                static_cast<long long>(name.count));
  return file.parent_path() / (name.stem + ending);
}

fs::path gguf_in(const fs::path& folder) {
  const std::vector<fs::path> files = files_ending_in(folder, {".gguf"});
  if (files.size() == 1) return files.front();
  std::optional<SplitName> first;
  for (const fs::path& file : files) {
    const auto name = split_name(file);
    if (!name || (first && (name->stem != first->stem || name->count != first->count))) return {};
    if (!first) first = name;
  }
  if (!first) return {};
  throw Error(
      ErrorCode::unsupported,
      folder.string() + ": holds " + std::to_string(files.size()) + " of the " +
          std::to_string(first->count) + " parts of a split GGUF file; give the first of them, " +
          split_part(files.front(), *first, 1).filename().string() + ", which opens them all",
      folder.string());
}

}  // namespace llm::detail
