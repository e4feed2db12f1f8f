// What every tokenizer asks of the text it is given.
#pragma once

#include <string_view>

namespace llm::detail {

// Throws Error (invalid_input) with the byte offset when the text is not UTF-8 or is too long.
void check_text(std::string_view text);

}  // namespace llm::detail
