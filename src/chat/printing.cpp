// How Python writes values: str(), repr() and json.dumps().
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "chat/text.hpp"
#include "chat/value.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail::jinja {
namespace {

std::string hexadecimal(char32_t c, int digits) {
  static constexpr char digit[] = "0123456789abcdef";
  std::string text;
  for (int i = digits - 1; i >= 0; --i) text += digit[(c >> (4 * i)) & 15U];
  return text;
}

void write_quoted(std::string_view text, Builder& out) {
  out.budget().spend_characters(text.size());
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char mark = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += mark;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    if (c.value == static_cast<unsigned char>(mark) || c.value == '\\') {
      out += '\\';
      out += static_cast<char>(c.value);
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out += c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c.value)) {
      out += text.substr(at, c.bytes);
    } else if (c.value < 0x100) {
      out += "\\x" + hexadecimal(c.value, 2);
    } else {
      out += c.value < 0x10000 ? "\\u" + hexadecimal(c.value, 4) : "\\U" + hexadecimal(c.value, 8);
    }
    at += c.bytes;
  }
  out += mark;
}

void write_items(const Items& items, Builder& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    write_repr(items[i], out);
  }
}

void write_sequence(const Sequence& sequence, Builder& out) {
  if (sequence.kind == SequenceKind::range) {
    out += sequence.label;
    return;
  }
  const bool is_tuple = sequence.kind == SequenceKind::tuple;
  const bool is_view = sequence.kind == SequenceKind::view;
  if (is_view) out += sequence.label + "(";
  out += is_tuple ? '(' : '[';
  write_items(sequence.items, out);
  if (is_tuple && sequence.items.size() == 1) out += ',';
  out += is_tuple ? ')' : ']';
  if (is_view) out += ')';
}

void write_dict(const Dict& dict, Builder& out) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) out += ", ";
    first = false;
    write_repr(key, out);
    out += ": ";
    write_repr(value, out);
  }
  out += '}';
}

void write_json_string(std::string_view text, bool ascii, Builder& out) {
  static constexpr std::string_view named = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
  out.budget().spend_characters(text.size());
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_utf8(text, at);
    const std::size_t name =
        c.value < 0x80 ? named.find(static_cast<char>(c.value)) : std::string_view::npos;
    if (name != std::string_view::npos) {
      out += '\\';
      out += letters[name];
    } else if (c.value < 0x20 || (ascii && c.value >= 0x7F && c.value < 0x10000)) {
      out += "\\u" + hexadecimal(c.value, 4);
    } else if (ascii && c.value >= 0x10000) {
      out += "\\u" + hexadecimal(0xD7C0U + (c.value >> 10U), 4);
      out += "\\u" + hexadecimal(0xDC00U + (c.value & 0x3FFU), 4);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  out += '"';
}

std::string json_number(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  return float_text(number);
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Builder& out) : style_(style), out_(out) {}

  void write(const Value& value) {
    out_.budget().spend(1);
    if (const Text* text = value.text()) {
      write_json_string(text->bytes, style_.ascii, out_);
    } else if (value.is_none()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += is_true(value) ? "true" : "false";
    } else if (value.is_integer()) {
      out_ += std::to_string(*integer_of(value));
    } else if (value.is_float()) {
      out_ += json_number(*number_of(value));
    } else if (const Sequence* list = list_of(value)) {
      write_list(list->items);
    } else if (const Dict* dict = value.dict()) {
      write_object(*dict);
    } else {
      if (value.is_undefined()) fail_undefined(value);
      fail("tojson cannot write " + kind_name(value));
    }
  }

 private:
  static const Sequence* list_of(const Value& value) {
    const Sequence* sequence = value.sequence();
    return sequence != nullptr && sequence->kind <= SequenceKind::tuple ? sequence : nullptr;
  }

  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  void separate(bool& first) {
    if (!first) out_ += style_.item_separator;
    first = false;
    new_line();
  }

  void write_list(const Items& items) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++level_;
    bool first = true;
    for (const Value& item : items) {
      separate(first);
      write(item);
    }
    --level_;
    new_line();
    out_ += ']';
  }

  static std::string key_text(const Value& key) {
    if (const Text* text = key.text()) return text->bytes;
    if (key.is_none()) return "null";
    if (key.is_bool()) return is_true(key) ? "true" : "false";
    if (key.is_integer()) return std::to_string(*integer_of(key));
    if (key.is_float()) return json_number(*number_of(key));
    fail("tojson cannot write " + kind_name(key) + " as a key");
  }

  void write_object(const Dict& dict) {
    if (dict.entries().empty()) {
      out_ += "{}";
      return;
    }
    using Member = std::pair<std::string, const Value*>;
    Hold hold(out_.budget(), dict.entries().size() * sizeof(Member));
    std::vector<Member> members;
    for (const auto& [key, value] : dict.entries()) {
      members.emplace_back(key_text(key), &value);
      out_.budget().spend_bytes(members.back().first.size());
      hold.grow(out_.budget(), members.back().first.capacity());
    }
    const auto by_key = [this](const Member& a, const Member& b) {
      out_.budget().spend_bytes(std::min(a.first.size(), b.first.size()));
      return a.first < b.first;
    };
    if (style_.sort_keys) std::stable_sort(members.begin(), members.end(), by_key);
    out_ += '{';
    ++level_;
    bool first = true;
    for (const auto& [key, value] : members) {
      separate(first);
      write_json_string(key, style_.ascii, out_);
      out_ += style_.key_separator;
      write(*value);
    }
    --level_;
    new_line();
    out_ += '}';
  }

  const JsonStyle& style_;
  Builder& out_;
  int level_ = 0;
};

}  // namespace

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  std::array<char, 64> buffer{};
  const auto write = [&](std::chars_format format) {
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format);
    return std::string(buffer.data(), result.ptr);
  };
  std::string scientific = write(std::chars_format::scientific);
  const char* digits = scientific.data() + scientific.find('e') + 1;
  if (*digits == '+') ++digits;
  int exponent = 0;
  std::from_chars(digits, scientific.data() + scientific.size(), exponent);
  if (exponent < -4 || exponent >= 16) return scientific;
  const std::string fixed = write(std::chars_format::fixed);
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

void write_repr(const Value& value, Builder& out) {
  out.budget().spend(1);
  if (const Text* text = value.text()) {
    if (text->is_markup) out += "Markup(";
    write_quoted(text->bytes, out);
    if (text->is_markup) out += ')';
  } else if (value.is_undefined()) {
    out += "Undefined";
  } else if (value.is_none()) {
    out += "None";
  } else if (value.is_bool()) {
    out += is_true(value) ? "True" : "False";
  } else if (value.is_integer()) {
    out += std::to_string(*integer_of(value));
  } else if (value.is_float()) {
    out += float_text(*number_of(value));
  } else if (const Sequence* sequence = value.sequence()) {
    write_sequence(*sequence, out);
  } else if (const Dict* dict = value.dict()) {
    write_dict(*dict, out);
  } else if (const Function* function = value.function()) {
    out += (function->macro != nullptr ? "<Macro '" : "<function '") + function->name + "'>";
  } else {
    out += "<" + kind_name(value) + ">";
  }
}

void write_json(const Value& value, const JsonStyle& style, Builder& out) {
  JsonWriter(style, out).write(value);
}

}  // namespace llm::detail::jinja
