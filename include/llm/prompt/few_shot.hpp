/// \file
/// Zero-, one- and few-shot prompts: a template file, examples, one query. Stands before the line:
/// fields -> text -> Tokenizer.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/prompt/text_template.hpp"

namespace llm {

/// Fields with where they come from ("train.jsonl, line 3"), for errors.
struct FieldRow {
  Fields fields;
  std::string where;
};

/// Reads JSON lines of objects; empty lines are skipped. Numbers and booleans become their JSON
/// text. Throws Error (invalid_input) with the line number.
std::vector<FieldRow> parse_field_rows(std::string_view text, const std::string& where);
/// The rows of a file. Throws Error: file_not_found, and as above.
std::vector<FieldRow> read_field_rows(const std::filesystem::path& file);

/// The prompt is: header, then each example filled and followed by the separator, then the query
/// filled. Without examples it is a zero-shot prompt.
class FewShotTemplate {
 public:
  /// Reads `{"header", "example", "separator", "query", "stop"}`; all but `query` may be missing,
  /// `stop` is a string or a list. Throws Error: file_not_found, or invalid_input for anything
  /// unknown or of the wrong type.
  static FewShotTemplate read(const std::filesystem::path& file);
  /// The same from text; `where` names it in errors.
  static FewShotTemplate parse(std::string_view json, const std::string& where);

  /// Throws Error (invalid_input) when a row lacks a field that is asked for, or when there are
  /// examples and no template for them.
  std::string prompt(std::span<const FieldRow> examples, const FieldRow& query) const;

  /// One example as it stands in the prompt, without the separator. Throws Error as prompt().
  std::string example(const FieldRow& example) const;

  const std::string& header() const { return header_; }
  const std::string& separator() const { return separator_; }
  const TextTemplate& query() const { return query_; }
  /// What an example has behind the text of a query: where the answer stands, and what is before
  /// it (`answer().leading_text()`, often a space). Without an "example" a space, unless the query
  /// ends in white space. Throws Error (invalid_input) when "example" does not begin with what
  /// "query" is.
  const TextTemplate& answer() const;
  /// The separator and the `stop` strings: where an answer ends.
  const std::vector<std::string>& stop() const { return stop_; }

 private:
  std::string where_;
  std::string header_;
  std::string separator_;
  TextTemplate example_;
  TextTemplate query_;
  TextTemplate answer_;
  bool has_answer_ = true;
  std::vector<std::string> stop_;
};

}  // namespace llm
