#include "chat/lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "chat/text.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

// All kinds of line ends become \n; the last one goes.
std::string with_plain_newlines(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_hexadecimal(char c) { return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }
bool is_name_byte(char c) {
  return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(with_plain_newlines(source)) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) {
      const std::size_t tag = next_tag();
      take_data(tag);
      if (at_ < text_.size()) take_tag();
    }
    push(TokenKind::end, {});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void refuse(const std::string& sentence) const {
    throw SyntaxFailure{position_, sentence};
  }

  bool starts(std::string_view what) const {
    return std::string_view(text_).substr(at_).starts_with(what);
  }
  std::string_view rest() const { return std::string_view(text_).substr(at_); }

  void advance(std::size_t bytes) {
    for (const std::size_t end = at_ + bytes; at_ < end; ++at_) {
      if (text_[at_] == '\n') {
        ++position_.line;
        position_.column = 1;
      } else if (!is_utf8_continuation(text_[at_])) {
        ++position_.column;
      }
    }
  }

  void skip_spaces() { advance(rest().size() - strip(rest(), Side::left).size()); }

  void push(TokenKind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), position_});
  }

  std::size_t next_tag() const {
    std::size_t tag = at_;
    for (; (tag = text_.find('{', tag)) != std::string::npos; ++tag) {
      const char second = tag + 1 < text_.size() ? text_[tag + 1] : '\0';
      if (second == '{' || second == '%' || second == '#') return tag;
    }
    return text_.size();
  }

  // Text up to the tag, as far as the tag leaves it.
  void take_data(std::size_t tag) {
    std::string_view data = std::string_view(text_).substr(at_, tag - at_);
    const std::size_t bytes = data.size();
    if (tag < text_.size()) {
      const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
      if (sign == '-') {
        data = strip(data, Side::right);
      } else if (sign != '+' && text_[tag + 1] != '{') {
        data = without_indent(data);
      }
    }
    if (!data.empty()) push(TokenKind::data, std::string(data));
    advance(bytes);
  }

  // A tag that stands first in its line takes the white space before it.
  std::string_view without_indent(std::string_view data) const {
    const std::size_t newline = data.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return data;
    const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    const bool is_blank = strip(data.substr(begin), Side::left).empty();
    return is_blank ? data.substr(0, begin) : data;
  }

  void take_tag() {
    const char kind = text_[at_ + 1];
    const Position begin = position_;
    if (kind != '#') push(kind == '{' ? TokenKind::output_begin : TokenKind::tag_begin, {});
    advance(2);
    const bool has_sign = starts("-") || (starts("+"));
    if (has_sign) advance(1);
    if (kind == '#') return skip_comment(begin);
    if (kind == '%' && take_raw(begin)) return;
    line_starting_ = false;
    const std::string_view closing = kind == '{' ? "}}" : "%}";
    while (true) {
      skip_spaces();
      if (at_ >= text_.size())
        throw SyntaxFailure{begin, std::string("the \"{") + kind + "\" is never closed"};
      if (open_.empty() && take_closing(closing)) return;
      take_word();
    }
  }

  // The end of a tag with the white space after it that it takes.
  bool take_closing(std::string_view closing) {
    const bool is_output = closing == "}}";
    const bool strips = starts("-" + std::string(closing));
    const bool keeps = !is_output && starts("+" + std::string(closing));
    if (!strips && !keeps && !starts(closing)) return false;
    if (closing != "#}") push(is_output ? TokenKind::output_end : TokenKind::tag_end, {});
    const std::size_t begin = at_;
    advance(closing.size() + (strips || keeps ? 1 : 0));
    if (strips) {
      skip_spaces();
    } else if (!keeps && !is_output && starts("\n")) {
      advance(1);
    }
    line_starting_ = at_ > begin && text_[at_ - 1] == '\n';
    return true;
  }

  void skip_comment(Position begin) {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string::npos) throw SyntaxFailure{begin, "the \"{#\" is never closed"};
    const bool signed_end = end > at_ && (text_[end - 1] == '-' || text_[end - 1] == '+');
    advance(end - at_ - (signed_end ? 1 : 0));
    take_closing("#}");
  }

  // {% raw %} ... {% endraw %}: text as it is.
  bool take_raw(Position begin) {
    const std::size_t keep_at = at_;
    const Position keep_position = position_;
    skip_spaces();
    const bool is_raw = starts("raw") && at_ + 3 < text_.size() && !is_name_byte(text_[at_ + 3]);
    if (is_raw) {
      advance(3);
      skip_spaces();
    }
    if (!is_raw || (!starts("%}") && !starts("-%}"))) {
      at_ = keep_at;
      position_ = keep_position;
      return false;
    }
    tokens_.pop_back();  // the tag_begin
    const bool strips = starts("-");
    advance(strips ? 3 : 2);
    if (strips) skip_spaces();
    take_raw_text(begin);
    return true;
  }

  void take_raw_text(Position begin) {
    for (std::size_t tag = at_; (tag = text_.find("{%", tag)) != std::string::npos; tag += 2) {
      std::string_view after = std::string_view(text_).substr(tag + 2);
      const bool strips = after.starts_with('-');
      const bool keeps = after.starts_with('+');
      if (strips || keeps) after.remove_prefix(1);
      after = strip(after, Side::left);
      if (!after.starts_with("endraw")) continue;
      after = strip(after.substr(6), Side::left);
      if (!after.starts_with("%}") && !after.starts_with("-%}") && !after.starts_with("+%}"))
        continue;
      std::string_view data = std::string_view(text_).substr(at_, tag - at_);
      line_starting_ = at_ > 0 && text_[at_ - 1] == '\n';
      data = strips ? strip(data, Side::right) : keeps ? data : without_indent(data);
      if (!data.empty()) push(TokenKind::data, std::string(data));
      advance(text_.size() - after.size() - at_);
      take_closing("%}");
      tokens_.pop_back();
      return;
    }
    throw SyntaxFailure{begin, "the raw block is never closed with endraw"};
  }

  void take_word() {
    const char c = text_[at_];
    if (c == '\'' || c == '"') return take_string(c);
    if (is_digit(c)) return take_number();
    if (is_name_byte(c)) {
      std::size_t size = 1;
      while (at_ + size < text_.size() && is_name_byte(text_[at_ + size])) ++size;
      push(TokenKind::name, text_.substr(at_, size));
      advance(size);
      return;
    }
    take_symbol();
  }

  void take_symbol() {
    static constexpr std::array<std::string_view, 27> symbols = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]",
        "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";", "!"};
    const auto* found = std::find_if(symbols.begin(), symbols.end(),
                                     [this](std::string_view symbol) { return starts(symbol); });
    if (found == symbols.end() || *found == "!")
      refuse("unexpected character " + quote(rest().substr(0, character_size(text_, at_))));
    if (*found == "(") open_ += ')';
    if (*found == "[") open_ += ']';
    if (*found == "{") open_ += '}';
    if (*found == ")" || *found == "]" || *found == "}") {
      if (open_.empty() || open_.back() != found->front())
        refuse("unexpected " + quote(*found) +
               (open_.empty() ? "" : ", expected " + quote(open_.substr(open_.size() - 1))));
      open_.pop_back();
    }
    push(TokenKind::symbol, std::string(*found));
    advance(found->size());
  }

  std::size_t digits_at(std::size_t at, bool (*is_part)(char)) const {
    std::size_t end = at;
    while (end < text_.size() &&
           (is_part(text_[end]) ||
            (text_[end] == '_' && end > at && end + 1 < text_.size() && is_part(text_[end + 1]))))
      ++end;
    return end;
  }

  void take_number() {
    const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';  // x.0.1: items, not 0.1
    const char mark = at_ + 1 < text_.size() ? static_cast<char>(text_[at_ + 1] | 0x20) : '\0';
    if (text_[at_] == '0' && (mark == 'x' || mark == 'o' || mark == 'b')) return take_based(mark);
    std::size_t end = digits_at(at_, is_digit);
    bool is_real = false;
    if (!after_dot && end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      end = digits_at(end + 1, is_digit);
      is_real = true;
    }
    if (!after_dot && end + 1 < text_.size() && (text_[end] | 0x20) == 'e') {
      const std::size_t sign = text_[end + 1] == '+' || text_[end + 1] == '-' ? 2 : 1;
      if (end + sign < text_.size() && is_digit(text_[end + sign])) {
        end = digits_at(end + sign, is_digit);
        is_real = true;
      }
    }
    std::string number = text_.substr(at_, end - at_);
    std::erase(number, '_');
    push(is_real ? TokenKind::real : TokenKind::integer, std::move(number));
    advance(end - at_);
  }

  void take_based(char mark) {
    const std::size_t end = digits_at(at_ + 2, is_hexadecimal);
    std::string digits = text_.substr(at_ + 2, end - at_ - 2);
    std::erase(digits, '_');
    std::int64_t value = 0;
    const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || stop != digits.data() + digits.size())
      refuse("not a number: " + quote(text_.substr(at_, end - at_)));
    push(TokenKind::integer, std::to_string(value));
    advance(end - at_);
  }

  void take_string(char mark) {
    const Position begin = position_;
    std::string value;
    std::size_t at = at_ + 1;
    while (at < text_.size() && text_[at] != mark) {
      if (text_[at] == '\\') {
        at = take_escape(at + 1, value);
      } else {
        value += text_[at++];
      }
    }
    if (at >= text_.size()) throw SyntaxFailure{begin, "the string is never closed"};
    push(TokenKind::string, std::move(value));
    advance(at + 1 - at_);
  }

  // What follows a backslash, as in Python; unknown ones stay as they are.
  std::size_t take_escape(std::size_t at, std::string& value) const {
    if (at >= text_.size()) return at;
    static constexpr std::string_view letters = "\\'\"abfnrtv", bytes = "\\'\"\a\b\f\n\r\t\v";
    const char c = text_[at];
    if (const std::size_t known = letters.find(c); known != std::string_view::npos) {
      value += bytes[known];
      return at + 1;
    }
    if (c == '\n') return at + 1;
    if (c >= '0' && c <= '7') return take_code(at, 3, 8, value);
    if (c == 'x') return take_code(at + 1, 2, 16, value);
    if (c == 'u') return take_code(at + 1, 4, 16, value);
    if (c == 'U') return take_code(at + 1, 8, 16, value);
    if (c == 'N') refuse("\\N{...} in a string is not supported; write the character");
    value += '\\';
    return at;
  }

  std::size_t take_code(std::size_t at, std::size_t digits, int base, std::string& value) const {
    const char* const begin = text_.data() + at;
    const char* const limit = begin + std::min(digits, text_.size() - at);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(begin, limit, code, base);
    const bool is_whole = base == 8 || end == begin + digits;
    if (error != std::errc() || !is_whole || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      refuse("a string holds an escape sequence that is not a character");
    append_utf8(value, static_cast<char32_t>(code));
    return static_cast<std::size_t>(end - text_.data());
  }

  std::string text_;
  std::size_t at_ = 0;
  Position position_;
  bool line_starting_ = true;
  std::string open_;  // the brackets that close what is open, innermost last
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace llm::detail::jinja
