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

std::size_t character_size(std::string_view text, std::size_t at);
std::size_t count_characters(std::string_view text);
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view characters);

enum class Side { left, right, both };
// Without the characters of `set` at its ends; without white space when there is no set.
std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> set = {});
// At white space (no separator) or at a separator that is not empty, at most `limit` times
// (negative: without limit), from the right end when `from_right`.
std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               std::int64_t limit, bool from_right);
std::vector<std::string> split_lines(std::string_view text, bool keep_ends);
// The first `limit` occurrences replaced (negative: all).
std::string replace(std::string_view text, std::string_view from, std::string_view to,
                    std::int64_t limit, Budget& budget);

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string capitalize(std::string_view text);  // the first character upper, the others lower
std::string title(std::string_view text);       // every letter that follows none is upper
// All cased characters are upper (lower), and there is one.
bool is_upper_text(std::string_view text);
bool is_lower_text(std::string_view text);

std::string escape_html(std::string_view text, Budget& budget);

// The shortest decimal number that reads as the same double, as Python writes it.
std::string float_text(double number);
// int(text) and float(text); nullopt where Python raises ValueError.
std::optional<std::int64_t> parse_integer(std::string_view text, int base);
std::optional<double> parse_float(std::string_view text);

// str(): what {{ }} writes.
std::string to_text(const Value& value, Budget& budget);
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
