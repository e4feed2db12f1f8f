#include "tokenizer/text_input.hpp"

#include <algorithm>
#include <limits>
#include <string>

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

void check_encoded_bytes(std::string_view text, std::size_t times) {
  constexpr std::size_t most = std::size_t{256} << 20;
  if (text.empty() || times <= most / text.size()) return;
  throw Error(ErrorCode::context_overflow,
              "a text of " + std::to_string(text.size()) + " bytes is too long to be read with " +
                  std::to_string(times) + " others; shorten it or give fewer");
}

void check_text_size(std::string_view text, std::int64_t tokens, bool cuts) {
  // Tokens are a few bytes long in any language. Short limits are no reason to refuse a long text
  // that is one token for its many spaces, or one that shall be cut.
  constexpr std::uint64_t token_bytes = 64, least = std::uint64_t{1} << 20;
  constexpr std::uint64_t least_to_cut = std::uint64_t{8} << 20;
  const auto most_tokens = static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(tokens, 0, std::numeric_limits<std::int32_t>::max()));
  const std::uint64_t most = std::max(most_tokens * token_bytes, cuts ? least_to_cut : least);
  if (text.size() <= most) return;
  throw Error(ErrorCode::context_overflow,
              "the text has " + std::to_string(text.size()) + " bytes, expected at most " +
                  std::to_string(most) + " for up to " + std::to_string(tokens) +
                  " tokens; shorten it" + (cuts ? "" : " or read it in parts"));
}

}  // namespace llm::detail
