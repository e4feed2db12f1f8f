// Characters, white space, case, splitting and number parsing of texts.
#include "chat/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "chat/value.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

bool is_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

bool is_line_end(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

std::size_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && is_utf8_continuation(text[at])) --at;
  return at;
}

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || to_title(c) != c; }

// Characters whose upper case is several.
std::u32string upper_of(char32_t c, bool as_title) {
  switch (c) {
    case 0xDF:
      return as_title ? U"Ss" : U"SS";
    case 0x149:
      return U"\u02BCN";
    case 0x1F0:
      return U"J\u030C";
    case 0xFB00:
      return as_title ? U"Ff" : U"FF";
    case 0xFB01:
      return as_title ? U"Fi" : U"FI";
    case 0xFB02:
      return as_title ? U"Fl" : U"FL";
    case 0xFB03:
      return as_title ? U"Ffi" : U"FFI";
    case 0xFB04:
      return as_title ? U"Ffl" : U"FFL";
    case 0xFB05:
    case 0xFB06:
      return as_title ? U"St" : U"ST";
    default:
      return std::u32string(1, as_title ? to_title(c) : to_upper(c));
  }
}

void append_lower(std::u32string_view text, std::size_t at, std::u32string& out) {
  constexpr char32_t sigma = 0x3A3, final_sigma = 0x3C2;
  if (text[at] == sigma && at > 0 && is_cased(text[at - 1]) &&
      (at + 1 == text.size() || !is_cased(text[at + 1]))) {
    out += final_sigma;
    return;
  }
  char32_t second = 0;
  out += to_lower(text[at], second);
  if (second != 0) out += second;
}

// Digits may be grouped with single underscores, as Python allows.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      digits += text[i];
      continue;
    }
    const auto is_digit = [&](std::size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
    };
    if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
  }
  return digits;
}

std::vector<std::string> split_at_spaces(std::string_view text, std::int64_t limit) {
  std::vector<std::string> parts;
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left)) {
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
      parts.emplace_back(text);
      break;
    }
    std::size_t end = 0;
    while (end < text.size() && !is_space(decode_utf8(text, end).value))
      end += character_size(text, end);
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string> split_at_last_spaces(std::string_view text, std::int64_t limit) {
  std::vector<std::string> parts;
  for (text = strip(text, Side::right); !text.empty(); text = strip(text, Side::right)) {
    if (limit >= 0 && static_cast<std::int64_t>(parts.size()) == limit) {
      parts.emplace_back(text);
      break;
    }
    std::size_t begin = text.size();
    while (begin > 0) {
      const std::size_t before = last_character(text.substr(0, begin));
      if (is_space(decode_utf8(text, before).value)) break;
      begin = before;
    }
    parts.emplace_back(text.substr(begin));
    text = text.substr(0, begin);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

std::size_t character_size(std::string_view text, std::size_t at) {
  return decode_utf8(text, at).bytes;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); }));
}

std::u32string decode(std::string_view text) {
  std::u32string characters;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    characters += c.value;
    at += c.bytes;
  }
  return characters;
}

std::string encode(std::u32string_view characters) {
  std::string text;
  for (const char32_t c : characters) append_utf8(text, c);
  return text;
}

std::string_view strip(std::string_view text, Side side, std::optional<std::string_view> set) {
  const std::u32string characters = set ? decode(*set) : std::u32string();
  const auto goes = [&](char32_t c) {
    return set ? characters.find(c) != std::u32string::npos : is_space(c);
  };
  while (side != Side::right && !text.empty() && goes(decode_utf8(text, 0).value))
    text.remove_prefix(character_size(text, 0));
  while (side != Side::left && !text.empty() && goes(decode_utf8(text, last_character(text)).value))
    text = text.substr(0, last_character(text));
  return text;
}

std::vector<std::string> split(std::string_view text, std::optional<std::string_view> separator,
                               std::int64_t limit, bool from_right) {
  if (!separator)
    return from_right ? split_at_last_spaces(text, limit) : split_at_spaces(text, limit);
  if (separator->empty()) fail("a text cannot be split at an empty separator");
  std::vector<std::string> parts;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t at = from_right ? text.rfind(*separator) : text.find(*separator);
    if (at == std::string_view::npos) break;
    const std::size_t after = at + separator->size();
    parts.emplace_back(from_right ? text.substr(after) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(after);
  }
  parts.emplace_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0, at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    const std::size_t end = at;
    at += c.bytes;
    if (is_line_end(c.value)) {
      if (c.value == '\r' && at < text.size() && text[at] == '\n') ++at;
      lines.emplace_back(text.substr(begin, (keep_ends ? at : end) - begin));
      begin = at;
    } else if (at == text.size()) {
      lines.emplace_back(text.substr(begin));
    }
  }
  return lines;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to,
                    std::int64_t limit, Budget& budget) {
  Builder out(budget);
  std::int64_t count = 0;
  std::size_t at = 0;
  while (limit < 0 || count < limit) {
    // An empty `from` stands before every character and at the end.
    std::size_t found = from.empty() ? at : text.find(from, at);
    if (from.empty() && count > 0) {
      if (at >= text.size()) break;
      found = at + character_size(text, at);
    }
    if (found == std::string_view::npos) break;
    budget.spend(1);
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    ++count;
  }
  out += text.substr(std::min(at, text.size()));
  return out.take();
}

std::string upper(std::string_view text) {
  std::u32string out;
  for (const char32_t c : decode(text)) out += upper_of(c, false);
  return encode(out);
}

std::string lower(std::string_view text) {
  const std::u32string characters = decode(text);
  std::u32string out;
  for (std::size_t i = 0; i < characters.size(); ++i) append_lower(characters, i, out);
  return encode(out);
}

std::string capitalize(std::string_view text) {
  const std::u32string characters = decode(text);
  std::u32string out;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    if (i == 0) {
      out += upper_of(characters[0], true);
    } else {
      append_lower(characters, i, out);
    }
  }
  return encode(out);
}

std::string title(std::string_view text) {
  const std::u32string characters = decode(text);
  std::u32string out;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    if (i == 0 || !is_cased(characters[i - 1])) {
      out += upper_of(characters[i], true);
    } else {
      append_lower(characters, i, out);
    }
  }
  return encode(out);
}

bool is_upper_text(std::string_view text) {
  const std::u32string characters = decode(text);
  return std::any_of(characters.begin(), characters.end(), is_upper) &&
         std::none_of(characters.begin(), characters.end(), is_lower);
}

bool is_lower_text(std::string_view text) {
  const std::u32string characters = decode(text);
  return std::any_of(characters.begin(), characters.end(), is_lower) &&
         std::none_of(characters.begin(), characters.end(), is_upper);
}

std::string escape_html(std::string_view text, Budget& budget) {
  Builder out(budget);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out.take();
}

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
  const auto clean = without_underscores(strip(text, Side::both));
  if (!clean) return std::nullopt;
  std::string_view digits = *clean;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const char mark = base == 16 ? 'x' : base == 8 ? 'o' : base == 2 ? 'b' : '\0';
  if (mark != '\0' && digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == mark)
    digits.remove_prefix(2);
  if (digits.starts_with('-')) return std::nullopt;
  std::int64_t value = 0;
  const std::string number = (negative ? "-" : "") + std::string(digits);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), value, base);
  if (error == std::errc::result_out_of_range)
    fail("the number " + quote(number) + " is too large");
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_float(std::string_view text) {
  const auto clean = without_underscores(strip(text, Side::both));
  if (!clean || clean->empty()) return std::nullopt;
  std::string_view digits = *clean;
  const bool negative = digits.front() == '-';
  if (negative || digits.front() == '+') digits.remove_prefix(1);
  if (digits.starts_with('-')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || digits.find('(') != std::string_view::npos)
    return std::nullopt;
  if (error == std::errc::result_out_of_range)
    value = digits.find("e-") != std::string_view::npos ? 0 : HUGE_VAL;
  else if (error != std::errc())
    return std::nullopt;
  return negative ? -value : value;
}

}  // namespace llm::detail::jinja
