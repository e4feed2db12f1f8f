// Parsing and filling of `{{field}}` texts.
#include "llm/prompt/text_template.hpp"

#include <algorithm>
#include <set>

#include "llm/core/error.hpp"

namespace llm {
namespace {

std::string at(std::size_t line, std::size_t column) {
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Where the next character is, for people: columns count characters, not bytes.
struct Cursor {
  std::size_t line = 1, column = 1;
  void pass(std::string_view text) {
    for (const char c : text) {
      if (c == '\n') {
        ++line;
        column = 1;
      } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
        ++column;
      }
    }
  }
};

Error not_closed(const std::string& where, const Cursor& cursor) {
  return Error(
      ErrorCode::invalid_input,
      where + ": the \"{{\" at " + at(cursor.line, cursor.column) +
          " is never closed; end the field's name with \"}}\", or write \\{{ for two braces",
      where);
}

Error bad_name(const std::string& where, const Cursor& cursor, std::string_view name) {
  return Error(ErrorCode::invalid_input,
               where + ": the placeholder at " + at(cursor.line, cursor.column) + " has the name " +
                   quote(name) + "; expected a field's name, as in {{text}}",
               where);
}

}  // namespace

TextTemplate::TextTemplate(std::string_view source, std::string where) : where_(std::move(where)) {
  Cursor cursor;
  const auto literal = [this, &cursor](std::string_view text) {
    if (text.empty()) return;
    if (pieces_.empty() || pieces_.back().is_field)
      pieces_.push_back({false, {}, cursor.line, cursor.column});
    pieces_.back().text += text;
  };
  while (!source.empty()) {
    const std::size_t open = source.find("{{");
    const bool escaped = open != std::string_view::npos && open > 0 && source[open - 1] == '\\';
    const std::string_view before = source.substr(0, open);
    literal(escaped ? before.substr(0, open - 1) : before);
    cursor.pass(before);
    if (open == std::string_view::npos) return;
    if (escaped) {
      literal("{{");
      cursor.pass("{{");
      source.remove_prefix(open + 2);
      continue;
    }
    const std::size_t close = source.find("}}", open + 2);
    if (close == std::string_view::npos) throw not_closed(where_, cursor);
    const std::string_view name = trim(source.substr(open + 2, close - open - 2));
    if (name.empty() || name.find_first_of("{}\n") != std::string_view::npos)
      throw bad_name(where_, cursor, name);
    pieces_.push_back({true, std::string(name), cursor.line, cursor.column});
    cursor.pass(source.substr(open, close + 2 - open));
    source.remove_prefix(close + 2);
  }
}

std::string TextTemplate::fill(const Fields& fields, std::string_view row) const {
  constexpr std::size_t most_bytes = std::size_t{256} << 20U;
  std::string text;
  for (const Piece& piece : pieces_) {
    const auto field = piece.is_field ? fields.find(piece.text) : fields.end();
    if (piece.is_field && field == fields.end()) refuse_field(piece, fields, row);
    const std::string& part = piece.is_field ? field->second : piece.text;
    if (part.size() > most_bytes - text.size())
      throw Error(ErrorCode::invalid_input,
                  where_ + ": filled with " + std::string(row) + " it has more than " +
                      std::to_string(most_bytes >> 20U) + " MiB",
                  where_);
    text += part;
  }
  return text;
}

void TextTemplate::refuse_field(const Piece& piece, const Fields& fields,
                                std::string_view row) const {
  constexpr std::size_t most_names = 20;
  std::vector<std::string_view> names;
  for (const auto& [name, value] : fields) names.push_back(name);
  const std::string_view nearest = nearest_name(piece.text, names.data(), names.size());
  std::string sentence = where_ + ", " + at(piece.line, piece.column) + ": the field " +
                         quote(piece.text) + " is not in " + std::string(row);
  if (!nearest.empty()) {
    sentence += "; did you mean " + quote(nearest) + "?";
  } else {
    sentence += names.empty() ? ", which has no fields" : ", which has:";
    for (std::size_t i = 0; i < std::min(names.size(), most_names); ++i)
      sentence += " " + quote(names[i]);
    if (names.size() > most_names) sentence += " ...";
  }
  throw Error(ErrorCode::invalid_input, sentence, where_);
}

std::vector<std::string> TextTemplate::field_names() const {
  std::vector<std::string> names;
  std::set<std::string_view> seen;
  for (const Piece& piece : pieces_) {
    if (piece.is_field && seen.insert(piece.text).second) names.push_back(piece.text);
  }
  return names;
}

std::string_view TextTemplate::leading_text() const {
  return pieces_.empty() || pieces_.front().is_field ? std::string_view() : pieces_.front().text;
}

std::string_view TextTemplate::trailing_text() const {
  return pieces_.empty() || pieces_.back().is_field ? std::string_view() : pieces_.back().text;
}

}  // namespace llm
