#include "tokenizer/byte_alphabet.hpp"

#include <array>

#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

constexpr bool is_printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

struct Tables {
  std::array<char32_t, 256> letter{};
  std::array<std::int16_t, 0x144> byte{};
};

constexpr Tables make_tables() {
  Tables tables;
  for (auto& byte : tables.byte) byte = -1;
  char32_t next = 256;  // bytes that cannot be shown get the code points from U+0100 on
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t letter = is_printable(byte) ? byte : next++;
    tables.letter[byte] = letter;
    tables.byte[letter] = static_cast<std::int16_t>(byte);
  }
  return tables;
}

constexpr Tables tables = make_tables();

}  // namespace

char32_t byte_to_letter(unsigned char byte) { return tables.letter[byte]; }

int letter_to_byte(char32_t letter) {
  return letter < tables.byte.size() ? tables.byte[letter] : -1;
}

std::string spell_bytes(std::string_view text) {
  std::string out;
  out.reserve(text.size() * 2);
  for (const char c : text) append_utf8(out, byte_to_letter(static_cast<unsigned char>(c)));
  return out;
}

void append_spelled_bytes(std::string& out, std::string_view token) {
  const std::size_t before = out.size();
  for (std::size_t at = 0; at < token.size();) {
    const CodePoint next = decode_utf8(token, at);
    const int byte = letter_to_byte(next.value);
    if (byte < 0) {
      out.resize(before);
      out += token;
      return;
    }
    out += static_cast<char>(byte);
    at += next.bytes;
  }
}

std::string byte_fallback_token(unsigned char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4U], digits[byte & 15U], '>'};
}

}  // namespace llm::detail
