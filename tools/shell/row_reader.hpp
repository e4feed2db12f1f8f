// Rows from a file of JSON lines, CSV, TSV or plain lines: one at a time, in constant memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/input.hpp"
#include "shell/row.hpp"
#include "shell/seen_ids.hpp"

namespace llm::shell {

// csv and tsv begin with a line of names; a cell that begins with a quote is quoted as in RFC 4180.
// Blank lines are not rows, except in `lines`. A row of lines has the field "text".
enum class InputFormat { jsonl, csv, tsv, lines };

// The value of "jsonl", "csv", "tsv" or "lines". Throws Error (invalid_option).
InputFormat input_format_from_name(const std::string& name);
// By the file's extension; JSON lines when that does not say.
InputFormat input_format_of(const std::string& path);

class RowReader {
 public:
  // A field that every row must have as text, or a text that all rows use instead.
  struct Field {
    std::string name;
    std::optional<std::string> value;
  };
  struct Options {
    InputFormat format = InputFormat::jsonl;
    std::string id_field = {};       // empty: "id" where there is one, or else the line's number
    std::vector<Field> fields = {};  // Row::texts
    bool ids = false;                // "ids", a list of token ids, may stand in for `fields`
    std::vector<std::string> needed = {};  // further fields that every row must have
    std::string line_field = "text";       // what a row of lines has
    bool unique_ids = true;                // the same id twice is an error
  };

  // "-" is standard input. Throws Error (invalid_input) when the file cannot be read, has no
  // header, or its header lacks a field.
  RowReader(const std::string& path, Options options);

  // The next row. A row that cannot be used has `error`: also one that is too long, or that there
  // is no memory for. nullopt at the end and after a signal.
  std::optional<Row> next();

  // The names of a CSV or TSV file's columns; empty for other formats.
  const std::vector<std::string>& header() const { return header_; }
  // Of all that next() has given so far.
  std::uint64_t digest() const { return lines_.digest(); }
  // How much of the file has been read, 0 to 1; nullopt when its size is unknown.
  std::optional<double> fraction() const { return lines_.fraction(); }

 private:
  bool has_cells() const {
    return options_.format == InputFormat::csv || options_.format == InputFormat::tsv;
  }
  char separator() const { return options_.format == InputFormat::csv ? ',' : '\t'; }
  void read_header();
  std::optional<std::string> next_line();
  std::optional<std::string> next_record();
  std::string with_quoted_lines(std::string record);
  Row parse(const std::string& record);
  void parse(const std::string& record, Row& row);
  void parse_json(const std::string& record, Row& row) const;
  void parse_cells(const std::string& record, Row& row) const;
  void take_id(Row& row);
  void take_texts(Row& row) const;

  Options options_;
  LineReader lines_;
  std::vector<std::string> header_;
  std::uint64_t count_ = 0;
  std::uint64_t first_line_ = 0;  // of the current record
  std::optional<RowError> lost_;  // why the current record is missing
  SeenIds seen_;
};

}  // namespace llm::shell
