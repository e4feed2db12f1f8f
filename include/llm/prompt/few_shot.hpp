/// \file
/// Zero-, one- and few-shot prompts from a template file, examples and a query:
/// fields -> text -> Tokenizer.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/prompt/text_template.hpp"

namespace llm {

/// The fields of a row.
struct FieldRow {
  Fields fields;      ///< values by name
  std::string where;  ///< for errors: "train.jsonl, line 3"
};

/// Reads lines of JSON objects and skips empty lines. Numbers and booleans become their JSON text.
/// Throws Error (invalid_input) with the line number.
std::vector<FieldRow> parse_field_rows(std::string_view text, const std::string& where);
/// The rows of a file. Throws Error: file_not_found, and as parse_field_rows().
std::vector<FieldRow> read_field_rows(const std::filesystem::path& file);

/// A template of prompts: header, then each example followed by the separator, then the query.
/// Without examples it is a zero-shot prompt. Immutable.
class FewShotTemplate {
 public:
  /// Reads `{"header", "example", "separator", "query", "stop"}`. All but `query` may be missing;
  /// `stop` is a string or a list. Throws Error: file_not_found, or invalid_input for anything
  /// unknown or of the wrong type.
  static FewShotTemplate read(const std::filesystem::path& file);
  /// The same from text; `where` names it in errors.
  static FewShotTemplate parse(std::string_view json, const std::string& where);

  /// The prompt. Throws Error (invalid_input) when a row lacks a field, or when there are examples
  /// and no template for them.
  std::string prompt(std::span<const FieldRow> examples, const FieldRow& query) const;

  /// One example as it stands in the prompt, without the separator. Throws Error as prompt().
  std::string example(const FieldRow& example) const;

  const std::string& header() const { return header_; }        ///< "header"
  const std::string& separator() const { return separator_; }  ///< "separator"
  const TextTemplate& query() const { return query_; }         ///< "query"
  /// What "example" has after the text of "query": the answer, and what stands before it
  /// (`answer().leading_text()`, often a space). Without an "example" it is a space, unless the
  /// query ends in white space. Throws Error (invalid_input) when "example" does not begin with
  /// "query".
  const TextTemplate& answer() const;
  /// The strings that end an answer: the separator and `stop`.
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
