// Characters, white space, case, splitting and number parsing of texts.
#include "chat/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "chat/value.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

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

// `out` is here and below a std::string or a Builder.
template <typename Out>
void append(char32_t c, Out& out) {
  std::string bytes;
  append_utf8(bytes, c);
  out += bytes;
}

void append_upper(char32_t c, bool as_title, Builder& out) {
  for (const char32_t part : upper_of(c, as_title)) append(part, out);
}

// Characters of a text in their order, with those beside them.
class Characters {
 public:
  explicit Characters(std::string_view text) : text_(text) { read(); }

  bool ended() const { return at_ >= text_.size(); }
  char32_t value() const { return now_.value; }
  bool is_first() const { return at_ == 0; }
  bool follows_cased() const { return at_ > 0 && is_cased(before_); }
  bool precedes_cased() const {
    const std::size_t next = at_ + now_.bytes;
    return next < text_.size() && is_cased(decode_utf8(text_, next).value);
  }
  void next() {
    before_ = now_.value;
    at_ += now_.bytes;
    read();
  }

 private:
  void read() {
    if (!ended()) now_ = decode_utf8(text_, at_);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  CodePoint now_;
  char32_t before_ = 0;
};

template <typename Out>
void append_lower(const Characters& at, Out& out) {
  constexpr char32_t sigma = 0x3A3, final_sigma = 0x3C2;
  if (at.value() == sigma && at.follows_cased() && !at.precedes_cased())
    return append(final_sigma, out);
  char32_t second = 0;
  append(to_lower(at.value(), second), out);
  if (second != 0) append(second, out);
}

bool is_ascii_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
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
      return at < text.size() && is_ascii_alphanumeric(text[at]);
    };
    if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
  }
  return digits;
}

using Parts = std::vector<std::string_view>;

// Counts what a list of parts takes until values are made of them.
class PartList {
 public:
  explicit PartList(Budget& budget) : budget_(budget) {}
  void add(std::string_view part) {
    budget_.spend(1);
    if (parts_.size() == parts_.capacity()) {
      const std::size_t room = std::max<std::size_t>(4, 2 * parts_.size());
      Hold larger(budget_, room * sizeof(std::string_view));
      parts_.reserve(room);
      hold_ = std::move(larger);
    }
    parts_.push_back(part);
  }
  // Whether there are as many as `limit` allows.
  bool is_full(std::int64_t limit) const {
    return limit >= 0 && static_cast<std::int64_t>(parts_.size()) >= limit;
  }
  Parts take(bool reversed) {
    if (reversed) std::reverse(parts_.begin(), parts_.end());
    return std::move(parts_);
  }

 private:
  Budget& budget_;
  Hold hold_;
  Parts parts_;
};

// Takes the word off the front of a text that does not begin with white space.
std::string_view take_word(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && !is_space(decode_utf8(text, end).value))
    end += character_size(text, end);
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

Parts split_at_spaces(std::string_view text, std::int64_t limit, Budget& budget) {
  PartList parts(budget);
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left)) {
    if (parts.is_full(limit)) {
      parts.add(text);
      break;
    }
    parts.add(take_word(text));
  }
  return parts.take(false);
}

Parts split_at_last_spaces(std::string_view text, std::int64_t limit, Budget& budget) {
  PartList parts(budget);
  for (text = strip(text, Side::right); !text.empty(); text = strip(text, Side::right)) {
    if (parts.is_full(limit)) {
      parts.add(text);
      break;
    }
    std::size_t begin = text.size();
    while (begin > 0) {
      const std::size_t before = last_character(text.substr(0, begin));
      if (is_space(decode_utf8(text, before).value)) break;
      begin = before;
    }
    parts.add(text.substr(begin));
    text = text.substr(0, begin);
  }
  return parts.take(true);
}

template <typename Goes>
std::string_view strip_while(std::string_view text, Side side, const Goes& goes) {
  while (side != Side::right && !text.empty() && goes(decode_utf8(text, 0).value))
    text.remove_prefix(character_size(text, 0));
  while (side != Side::left && !text.empty() && goes(decode_utf8(text, last_character(text)).value))
    text = text.substr(0, last_character(text));
  return text;
}

}  // namespace

std::size_t character_size(std::string_view text, std::size_t at) {
  return decode_utf8(text, at).bytes;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_utf8_continuation(c); }));
}

std::string_view first_characters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size() && count > 0; --count) at += character_size(text, at);
  return text.substr(0, at);
}

bool is_space(char32_t c) { return is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

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

std::string lowered(std::string_view text) {
  std::string out;
  for (Characters at(text); !at.ended(); at.next()) append_lower(at, out);
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left))
    words.emplace_back(take_word(text));
  return words;
}

Searcher::Searcher(std::string_view wanted, Budget& budget, bool from_right)
    : wanted_(wanted), budget_(budget), from_right_(from_right) {
  constexpr std::size_t long_text = 16;  // what is shorter is found sooner without a table
  if (wanted.size() < long_text) return;
  budget.spend_characters(wanted.size());
  hold_ = Hold(budget, wanted.size() * sizeof(std::uint32_t));
  table_.resize(wanted.size());
  const std::size_t last = wanted.size() - 1;
  const auto at = [&](std::size_t i) { return wanted[from_right ? last - i : i]; };
  for (std::uint32_t i = 1, same = 0; i < wanted.size(); ++i) {
    while (same > 0 && at(i) != at(same)) same = table_[same - 1];
    if (at(i) == at(same)) ++same;
    table_[i] = same;
  }
}

std::size_t Searcher::find_with_table(std::string_view text) const {
  const std::size_t size = wanted_.size();
  std::uint32_t same = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[from_right_ ? text.size() - 1 - i : i];
    const auto next = [&] { return wanted_[from_right_ ? size - 1 - same : same]; };
    while (same > 0 && c != next()) same = table_[same - 1];
    if (c == next()) ++same;
    if (same == size) return from_right_ ? text.size() - 1 - i : i + 1 - size;
  }
  return std::string_view::npos;
}

std::size_t Searcher::find(std::string_view text, std::size_t from) const {
  if (from > text.size()) return std::string_view::npos;
  const std::string_view rest = text.substr(from);
  std::size_t at = 0;
  if (table_.empty()) {
    at = from_right_ ? rest.rfind(wanted_) : rest.find(wanted_);
  } else {
    at = wanted_.size() > rest.size() ? std::string_view::npos : find_with_table(rest);
  }
  const std::size_t looked_at = at == std::string_view::npos ? rest.size()
                                : from_right_                ? rest.size() - at
                                                             : at;
  budget_.spend(looked_at / (table_.empty() ? 16 : 8));
  return at == std::string_view::npos ? at : from + at;
}

std::string_view strip(std::string_view text, Side side) {
  return strip_while(text, side, is_space);
}

std::string_view strip(std::string_view text, Side side, std::string_view set, Budget& budget) {
  budget.spend(set.size());
  budget.spend_characters(text.size());
  const Hold hold(budget, set.size() * sizeof(char32_t));
  std::vector<char32_t> characters;
  characters.reserve(set.size());
  for (std::size_t at = 0; at < set.size(); at += character_size(set, at))
    characters.push_back(decode_utf8(set, at).value);
  std::sort(characters.begin(), characters.end());
  return strip_while(text, side, [&](char32_t c) {
    return std::binary_search(characters.begin(), characters.end(), c);
  });
}

std::vector<std::string_view> split(std::string_view text,
                                    std::optional<std::string_view> separator, std::int64_t limit,
                                    bool from_right, Budget& budget) {
  if (!separator) {
    budget.spend_characters(text.size());
    return from_right ? split_at_last_spaces(text, limit, budget)
                      : split_at_spaces(text, limit, budget);
  }
  if (separator->empty()) fail("a text cannot be split at an empty separator");
  const Searcher searcher(*separator, budget, from_right);
  PartList parts(budget);
  while (!parts.is_full(limit)) {
    const std::size_t at = searcher.find(text);
    if (at == std::string_view::npos) break;
    const std::size_t after = at + separator->size();
    parts.add(from_right ? text.substr(after) : text.substr(0, at));
    text = from_right ? text.substr(0, at) : text.substr(after);
  }
  parts.add(text);
  return parts.take(from_right);
}

std::string_view take_line(std::string_view& text, bool keep_end) {
  std::size_t end = 0, next = 0;
  while (end < text.size()) {
    const CodePoint c = decode_utf8(text, end);
    next = end + c.bytes;
    if (is_line_end(c.value)) {
      if (c.value == '\r' && next < text.size() && text[next] == '\n') ++next;
      break;
    }
    end = next;
  }
  const std::string_view line = text.substr(0, keep_end ? next : end);
  text.remove_prefix(next);
  return line;
}

void replace(std::string_view text, std::string_view from, std::string_view to, std::int64_t limit,
             Builder& out) {
  const Searcher searcher(from, out.budget());
  std::int64_t count = 0;
  std::size_t at = 0;
  while (limit < 0 || count < limit) {
    // An empty `from` stands before every character and at the end.
    std::size_t found = from.empty() ? at : searcher.find(text, at);
    if (from.empty() && count > 0) {
      if (at >= text.size()) break;
      found = at + character_size(text, at);
    }
    if (found == std::string_view::npos) break;
    out.budget().spend(1);
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    ++count;
  }
  out += text.substr(std::min(at, text.size()));
}

void upper(std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
  for (Characters at(text); !at.ended(); at.next()) append_upper(at.value(), false, out);
}

void lower(std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
  for (Characters at(text); !at.ended(); at.next()) append_lower(at, out);
}

void capitalize(std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
  for (Characters at(text); !at.ended(); at.next()) {
    if (at.is_first()) {
      append_upper(at.value(), true, out);
    } else {
      append_lower(at, out);
    }
  }
}

void title(std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
  for (Characters at(text); !at.ended(); at.next()) {
    if (at.follows_cased()) {
      append_lower(at, out);
    } else {
      append_upper(at.value(), true, out);
    }
  }
}

namespace {

// Whether a character holds for some and `other` for none.
bool some_and_none(std::string_view text, bool (*some)(char32_t), bool (*none)(char32_t)) {
  bool found = false;
  for (Characters at(text); !at.ended(); at.next()) {
    if (none(at.value())) return false;
    found = found || some(at.value());
  }
  return found;
}

}  // namespace

bool is_upper_text(std::string_view text) { return some_and_none(text, is_upper, is_lower); }
bool is_lower_text(std::string_view text) { return some_and_none(text, is_lower, is_upper); }

void escape_html(std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
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
    value = digits.find_first_of("eE") + 1 == digits.find('-') ? 0 : HUGE_VAL;
  else if (error != std::errc())
    return std::nullopt;
  return negative ? -value : value;
}

}  // namespace llm::detail::jinja
