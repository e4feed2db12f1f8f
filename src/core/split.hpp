// Trimming texts, and lists of texts that are written as one.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

// The text without blanks, tabs and line ends at both ends.
inline std::string_view trim_white_space(std::string_view text) {
  constexpr std::string_view white_space = " \t\r\n";
  const std::size_t first = text.find_first_not_of(white_space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

// The parts between separators, trimmed; empty ones are left out.
inline std::vector<std::string> split_trimmed(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (const std::string_view part = trim_white_space(text.substr(0, end)); !part.empty())
      parts.emplace_back(part);
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return parts;
}

}  // namespace llm::detail
