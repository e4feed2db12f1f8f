#include "tokenizer/text_input.hpp"

#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {

void check_text(std::string_view text) {
  constexpr std::size_t max_bytes = std::size_t{1}
                                    << 30U;  // positions are 32 bits, with room to grow
  if (text.size() > max_bytes) {
    throw Error(ErrorCode::invalid_input, "the text has " + std::to_string(text.size()) +
                                              " bytes, expected at most " +
                                              std::to_string(max_bytes) + "; encode it in parts");
  }
  if (const auto at = find_invalid_utf8(text)) {
    throw Error(ErrorCode::invalid_input, "the text is not valid UTF-8 at byte " +
                                              std::to_string(*at) + "; convert it to UTF-8 first");
  }
}

}  // namespace llm::detail
