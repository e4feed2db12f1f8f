/// \file
/// A place in a text that was given, as people and scripts count it.
#pragma once

#include <cstddef>
#include <string_view>

#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// A part of a text: half-open, in characters (Unicode code points) and in bytes.
struct TextSpan {
  std::size_t start = 0;  ///< the first character
  std::size_t end = 0;    ///< one behind the last character
  ByteSpan bytes;         ///< the same in bytes
  /// Whether both are the same part.
  bool operator==(const TextSpan&) const = default;
};

/// Characters of UTF-8.
inline std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  return count;
}

/// The span of bytes with its characters. `bytes` must lie in the text.
inline TextSpan text_span(std::string_view text, ByteSpan bytes) {
  const std::size_t start = count_code_points(text.substr(0, bytes.begin));
  return {start, start + count_code_points(text.substr(bytes.begin, bytes.end - bytes.begin)),
          bytes};
}

}  // namespace llm
