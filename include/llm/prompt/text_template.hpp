/// \file
/// A text with `{{field}}` placeholders: fields -> text -> Tokenizer.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Values for placeholders, by field name.
using Fields = std::map<std::string, std::string, std::less<>>;

/// A text with placeholders. `{{ name }}` is replaced by the field's value as it is; `\{{` stands
/// for two braces. Nothing else is special. Immutable.
class TextTemplate {
 public:
  TextTemplate() = default;
  /// `where` names the text in errors ("tweets.json, \"example\""). Throws Error (invalid_input)
  /// with line and column for braces that are not closed and for names that are empty or hold
  /// braces.
  TextTemplate(std::string_view source, std::string where);

  /// The text with all placeholders replaced. Throws Error (invalid_input) when `fields` lacks one
  /// (the sentence names it, its line and column, the nearest field, and `row`, where the fields
  /// come from), and when the text has more than 256 MiB.
  std::string fill(const Fields& fields, std::string_view row) const;

  /// The distinct names, in order of appearance.
  std::vector<std::string> field_names() const;
  /// The text before the first placeholder.
  std::string_view leading_text() const;
  /// The text after the last placeholder.
  std::string_view trailing_text() const;
  /// Whether it has no text and no placeholders.
  bool empty() const { return pieces_.empty(); }

 private:
  struct Piece {
    bool is_field = false;
    std::string text;      // literal text or field name
    std::size_t line = 1;  // where it begins, counted from 1
    std::size_t column = 1;
  };
  [[noreturn]] void refuse_field(const Piece& piece, const Fields& fields,
                                 std::string_view row) const;

  std::vector<Piece> pieces_;
  std::string where_;
};

}  // namespace llm
