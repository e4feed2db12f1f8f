#include "llm/core/error.hpp"

#include <algorithm>
#include <vector>

namespace llm {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::internal:
      return "internal";
    case ErrorCode::invalid_option:
      return "invalid_option";
    case ErrorCode::file_not_found:
      return "file_not_found";
    case ErrorCode::io:
      return "io";
    case ErrorCode::bad_format:
      return "bad_format";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::tensor_mismatch:
      return "tensor_mismatch";
    case ErrorCode::invalid_input:
      return "invalid_input";
    case ErrorCode::context_overflow:
      return "context_overflow";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::time_limit:
      return "time_limit";
    case ErrorCode::interrupted:
      return "interrupted";
  }
  return "unknown";
}

namespace {

struct Character {
  char32_t value = 0;
  std::size_t bytes = 0;  // 0: not a character of UTF-8
};

Character first_character(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (bytes == 0 || text.size() < bytes) return {};
  char32_t value = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3fU);
  }
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_valid =
      value >= least[bytes] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
  return is_valid ? Character{value, bytes} : Character{};
}

// Characters that a terminal obeys instead of showing them, or that change the order of the text.
bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

std::string escape(const char* format, char32_t value) {
  switch (value) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      break;
  }
  char text[16];
  std::snprintf(text, sizeof text, format, static_cast<unsigned>(value));
  return text;
}

}  // namespace

std::string printable(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character next = first_character(text);
    const std::size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes == 0) {
      out += escape("\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (is_control(next.value) &&
               (bytes > 1 || kept.find(text[0]) == std::string_view::npos)) {
      out += escape("\\u%04x", next.value);
    } else {
      out += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

std::string quote(std::string_view text, std::size_t max_bytes) {
  std::string out = "\"";
  for (const char c : text.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      constexpr std::string_view digits = "0123456789abcdef";
      out += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
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
  constexpr std::size_t longest = 256, most = 1000;  // names of files and rows may have any length
  if (name.size() > longest) return {};
  std::size_t best = name.size() / 3 + 2;  // farther away it is another word, not a typo
  std::string_view found;
  for (std::size_t i = 0; i < std::min(count, most); ++i) {
    const auto [shorter, longer] = std::minmax({name.size(), candidates[i].size()});
    if (longer - shorter >= best) continue;  // the distance is at least this difference
    const std::size_t distance = edit_distance(name, candidates[i]);
    if (distance < best) {
      best = distance;
      found = candidates[i];
    }
  }
  return found;
}

}  // namespace llm
