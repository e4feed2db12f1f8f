// Python's operations on texts of UTF-8, which count characters (code points), and how Python
// writes values: str(), repr() and json.dumps().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "chat/budget.hpp"

namespace llm::detail::jinja {

struct Value;
class Items;

std::size_t character_size(std::string_view text, std::size_t at);
std::size_t count_characters(std::string_view text);
// The first `count` characters, or all.
std::string_view first_characters(std::string_view text, std::size_t count);
bool is_space(char32_t c);                                     // as str.isspace()
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }  // whatever the locale
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view characters);
std::string lowered(std::string_view text);
// The parts between white space.
std::vector<std::string> words_of(std::string_view text);

// Looks for one text in others, in time that is linear whatever the texts are.
class Searcher {
 public:
  // `wanted` must outlive it.
  Searcher(std::string_view wanted, Budget& budget, bool from_right = false);
  // Where `wanted` stands first in the text (last, when from the right); npos when nowhere.
  std::size_t find(std::string_view text, std::size_t from = 0) const;

 private:
  std::size_t find_with_table(std::string_view text) const;

  std::string_view wanted_;
  Budget& budget_;
  bool from_right_;
  std::vector<std::uint32_t> table_;  // of Knuth, Morris and Pratt; empty for short texts
  Hold hold_;
};

enum class Side { left, right, both };
// Without the white space at its ends.
std::string_view strip(std::string_view text, Side side);
// Without the characters of `set` at its ends.
std::string_view strip(std::string_view text, Side side, std::string_view set, Budget& budget);
// At white space (no separator) or at a separator that is not empty, at most `limit` times
// (negative: without limit), from the right end when `from_right`.
std::vector<std::string_view> split(std::string_view text,
                                    std::optional<std::string_view> separator, std::int64_t limit,
                                    bool from_right, Budget& budget);
// Takes the next line off the front of a text that is not empty.
std::string_view take_line(std::string_view& text, bool keep_end);
// The first `limit` occurrences replaced (negative: all).
void replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t limit,
             Builder& out);

void upper(std::string_view text, Builder& out);
void lower(std::string_view text, Builder& out);
void capitalize(std::string_view text,
                Builder& out);                    // the first character upper, the others lower
void title(std::string_view text, Builder& out);  // every letter that follows none is upper
// All cased characters are upper (lower), and there is one.
bool is_upper_text(std::string_view text);
bool is_lower_text(std::string_view text);

void escape_html(std::string_view text, Builder& out);

// The shortest decimal number that reads as the same double, as Python writes it.
std::string float_text(double number);
// int(text) and float(text); nullopt where Python raises ValueError.
std::optional<std::int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);

// repr(): strings in quotes.
void write_repr(const Value& value, Builder& out);

struct JsonStyle {
  bool ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // of one level; absent: all on one line
  std::string item_separator = ", ", key_separator = ": ";
};
void write_json(const Value& value, const JsonStyle& style, Builder& out);
// Reads JSON text; keeps the order of keys. Throws Error (invalid_input) with `where`.
Value read_json(std::string_view text, const std::string& where);

}  // namespace llm::detail::jinja
