// Cuts a template into tokens: text between the tags, with the white space that the tags take away
// removed (trim_blocks and lstrip_blocks are on, as in the reference), and the words inside of
// them. Stands before the parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail::jinja {

struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;  // in characters
};

enum class TokenKind {
  data,          // text outside of tags
  output_begin,  // {{
  output_end,
  tag_begin,  // {%
  tag_end,
  name,
  string,
  integer,
  real,
  symbol,  // operators and punctuation
  end      // of the template
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // of strings: what they stand for
  Position at;
};

// Thrown for what is not a template.
struct SyntaxFailure {
  Position at;
  std::string sentence;
};

// `source` is valid UTF-8.
std::vector<Token> tokenize(std::string_view source);

}  // namespace llm::detail::jinja
