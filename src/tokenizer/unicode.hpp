// UTF-8 and Unicode properties for the tokenizers: decoding, categories, case, normalization forms.
// The tables are utf8proc's, which is named nowhere else, made to agree with those of the
// reference. Stands below every other file of the tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

// A code point and the number of bytes it takes in UTF-8.
struct CodePoint {
  char32_t value = 0;
  std::uint32_t bytes = 0;
};

// The code point at byte `at` of valid UTF-8; `at` lies inside the text, on a border.
CodePoint decode_utf8(std::string_view text, std::size_t at);
void append_utf8(std::string& out, char32_t c);
std::uint32_t utf8_length(char32_t c);
inline bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// The offset of the first byte that is not part of well-formed UTF-8.
std::optional<std::size_t> find_invalid_utf8(std::string_view bytes);
// Ill-formed parts replaced by U+FFFD, one for each maximal prefix of a well-formed sequence.
std::string repair_utf8(std::string bytes);

// Without the white space at both ends.
std::string strip_spaces(std::string_view text);

bool is_whitespace(char32_t c);       // White_Space
bool is_numeric(char32_t c);          // Nd, Nl, No
bool is_punctuation(char32_t c);      // ASCII punctuation (also $+<=>^`|~) and P* of Unicode 8
bool is_other(char32_t c);            // Cc, Cf, Co of Unicode 8
bool is_nonspacing_mark(char32_t c);  // Mn of Unicode 8
bool is_mark(char32_t c);             // Mn, Mc, Me of Unicode 9
bool is_word(char32_t c);             // \w of a regular expression
// Simple lower case, except U+0130, which becomes two code points; returns the second one or 0.
char32_t to_lower(char32_t c, char32_t& second);

// Case and kind of a character as Python's str sees them.
char32_t to_upper(char32_t c);
char32_t to_title(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_letter(char32_t c);         // L*
bool is_decimal_digit(char32_t c);  // Nd
bool is_printable(char32_t c);      // not a control, format, private or unassigned one, not a space

enum class NormalForm { nfc, nfd, nfkc, nfkd };
// A code point of a text that was made from another one. `change` says how it stands to the source:
// 0 replaces the next source code point, 1 is inserted, -n replaces one and swallows n more.
struct Change {
  char32_t c = 0;
  std::int32_t change = 0;
};
void normalize(std::string_view text, NormalForm form, std::vector<Change>& out);

// Byte offsets of the ends of the extended grapheme clusters of `text`.
void grapheme_ends(std::string_view text, std::vector<std::size_t>& out);

}  // namespace llm::detail
