// The character map that a sentencepiece model carries, compiled into a double-array trie.
// Format: [u32 bytes of trie][trie: u32 units][replacements, each ended by a zero byte];
// the trie is Darts-clone's (github.com/s-yata/darts-clone).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

class CharacterMap {
 public:
  CharacterMap() = default;  // replaces nothing
  // Throws Error (bad_format).
  CharacterMap(const std::string& charsmap, const std::string& where);

  // The replacement of the shortest prefix of `part` that has one.
  bool find_shortest(std::string_view part, std::string_view& with) const;
  // The number of bytes of the longest prefix of `text` that has a replacement, 0 for none.
  std::size_t find_longest(std::string_view text, std::string_view& with) const;

 private:
  template <class Found>
  void walk(std::string_view text, Found found) const;
  bool replacement(std::size_t start, std::string_view& with) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
  std::array<bool, 256> begins_{};  // whether a key begins with the byte
};

}  // namespace llm::detail
