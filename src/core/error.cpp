#include "llm/core/error.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace llm {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::internal: return "internal";
    case ErrorCode::invalid_option: return "invalid_option";
    case ErrorCode::file_not_found: return "file_not_found";
    case ErrorCode::io: return "io";
    case ErrorCode::bad_format: return "bad_format";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::tensor_mismatch: return "tensor_mismatch";
    case ErrorCode::invalid_input: return "invalid_input";
    case ErrorCode::context_overflow: return "context_overflow";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::time_limit: return "time_limit";
  }
  return "unknown";
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  std::string out = "\"";
  for (const char c : text.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned>(byte));
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + (text.size() > max_bytes ? "...\"" : "\"");
}

namespace {

// Levenshtein distance, one row at a time.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view name, const std::string_view* candidates,
                              std::size_t count) {
  if (name.size() > 256) return {};
  std::size_t best = name.size() / 3 + 2;  // further away is another word, not a typo
  std::string_view found;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t distance = edit_distance(name, candidates[i]);
    if (distance < best) {
      best = distance;
      found = candidates[i];
    }
  }
  return found;
}

}  // namespace llm
