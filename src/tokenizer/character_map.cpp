#include "tokenizer/character_map.hpp"

#include <cstring>

#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

std::size_t offset_of(std::uint32_t unit) { return (unit >> 10U) << ((unit & 512U) >> 6U); }
// A unit's label with the bit that marks values, which no byte equals.
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFU; }

}  // namespace

CharacterMap::CharacterMap(const std::string& charsmap, const std::string& where) {
  std::uint32_t trie_bytes = 0;
  if (charsmap.size() >= 4) std::memcpy(&trie_bytes, charsmap.data(), 4);
  if (charsmap.size() < 8 || trie_bytes > charsmap.size() - 4 || trie_bytes < 4) {
    throw Error(ErrorCode::bad_format,
                where + ": the character map of " + std::to_string(charsmap.size()) +
                    " bytes says its trie has " + std::to_string(trie_bytes) +
                    "; the file is damaged",
                where);
  }
  units_.resize(trie_bytes / 4);
  std::memcpy(units_.data(), charsmap.data() + 4, units_.size() * 4);
  replacements_ = charsmap.substr(4 + units_.size() * 4);
  if (find_invalid_utf8(replacements_)) {
    throw Error(ErrorCode::bad_format, where + ": the character map is not UTF-8", where);
  }
  for (std::uint32_t byte = 1; byte < 256; ++byte) {
    const std::size_t node = offset_of(units_[0]) ^ byte;
    begins_[byte] = node < units_.size() && label_of(units_[node]) == byte;
  }
}

// Calls found(bytes, start of the replacement) for every key that `text` begins with, until false.
template <class Found>
void CharacterMap::walk(std::string_view text, Found found) const {
  if (text.empty() || !begins_[static_cast<unsigned char>(text.front())]) return;
  std::size_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (byte == 0 || node >= units_.size()) return;
    const std::uint32_t unit = units_[node];
    if (label_of(unit) != byte) return;
    node ^= offset_of(unit);
    if (((unit >> 8U) & 1U) == 0) continue;
    if (node >= units_.size() || !found(i + 1, units_[node] & 0x7FFFFFFFU)) return;
  }
}

bool CharacterMap::replacement(std::size_t start, std::string_view& with) const {
  if (start > replacements_.size()) return false;
  const std::size_t end = replacements_.find('\0', start);
  with = std::string_view(replacements_).substr(start, end - start);
  return start == replacements_.size() || !is_utf8_continuation(replacements_[start]);
}

bool CharacterMap::find_shortest(std::string_view part, std::string_view& with) const {
  bool known = false;
  walk(part, [&](std::size_t /*bytes*/, std::size_t start) {
    known = replacement(start, with);
    return false;
  });
  return known;
}

std::size_t CharacterMap::find_longest(std::string_view text, std::string_view& with) const {
  std::size_t longest = 0;
  std::string_view candidate;
  walk(text, [&](std::size_t bytes, std::size_t start) {
    const bool whole = bytes == text.size() || !is_utf8_continuation(text[bytes]);
    if (!whole || !replacement(start, candidate)) return true;
    longest = bytes;
    with = candidate;
    return true;
  });
  return longest;
}

}  // namespace llm::detail
