// The byte-level alphabet of GPT-2: every byte as one printable code point ("Ġ" is a space).
// Source: github.com/openai/gpt-2, src/encoder.py.
#pragma once

#include <string>
#include <string_view>

namespace llm::detail {

// The code point that stands for a byte, U+0021 to U+0143.
char32_t byte_to_letter(unsigned char byte);
// The byte a code point stands for, or -1.
int letter_to_byte(char32_t letter);
// The bytes of `text` spelled in the alphabet.
std::string spell_bytes(std::string_view text);
// The bytes a token stands for; the token's own bytes when a code point is not of the alphabet.
void append_spelled_bytes(std::string& out, std::string_view token);

// "<0xNN>", the token of a byte where a vocabulary falls back to bytes.
std::string byte_fallback_token(unsigned char byte);

}  // namespace llm::detail
