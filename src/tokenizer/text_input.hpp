// What every tokenizer asks of the text it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "llm/tokenizer/tokenizer.hpp"

namespace llm::detail {

// Throws Error (invalid_input) with the byte offset when the text is not UTF-8 or is too long.
void check_text(std::string_view text);

// Throws Error (context_overflow) when a text would be encoded so often, with one of `times` others
// each time, that it took minutes.
void check_encoded_bytes(std::string_view text, std::size_t times);

// Throws Error (context_overflow) for a text that is so large that it is hardly one of at most
// `tokens` tokens: it would take 65 bytes of memory a byte to find that out by encoding it. Where
// it is to be cut more of it is read.
void check_text_size(std::string_view text, std::int64_t tokens, bool cuts);

}  // namespace llm::detail
