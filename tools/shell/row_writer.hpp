// Rows as JSON, JSON lines, CSV, TSV or text: their input fields and their results.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shell/row.hpp"

namespace llm::shell {

enum class Format { text, json, jsonl, csv, tsv };

// The value of "text", "json" and so on. Throws Error (invalid_option) for other names.
Format format_from_name(const std::string& name);

// One result for people, without a line end.
using TextForm = std::function<std::string(const Row& row, const OrderedJson& result)>;

// A row is written as its `id`, the input fields to keep, and the fields of its result; a failed
// row has `error`, `error_code` and `line` instead of a result. An input field with the name of a
// result field is kept as `input_NAME`. CSV and TSV have a header and the same columns in every
// row; lists and objects are JSON in a cell.
class RowWriter {
 public:
  struct Layout {
    Format format = Format::jsonl;
    bool list = false;                   // json: a list, not one object
    bool keep_all = false;               // keep all input fields
    std::vector<std::string> keep = {};  // or these
    std::vector<std::string> columns;    // names of the result fields
    std::string id_field = "id";         // the field of the id: it is not kept twice
    TextForm text;
  };

  // `written`: results that an earlier run wrote into the same file.
  RowWriter(Layout layout, std::uint64_t written);

  // Call it before the first line(): the input fields of CSV and TSV with `keep_all`.
  void set_input_fields(const OrderedJson& fields);
  // The input field that `keep_all` has no column for, if there is one.
  std::optional<std::string> unforeseen_field(const OrderedJson& fields) const;
  // The bytes to write for a row; of a failed one in the text format an empty line.
  std::string bytes(const Row& row, const RowResult& result);
  // What comes after the last row.
  std::string end() const;

 private:
  bool has_cells() const;
  std::vector<std::string> header() const;
  std::string cells(const OrderedJson& line) const;
  std::string line(const OrderedJson& object);
  std::string kept_name(const std::string& name,
                        const std::function<bool(const std::string&)>& kept) const;
  void add_kept(const Row& row, OrderedJson& line) const;

  Layout layout_;
  std::set<std::string> kept_;         // layout_.keep
  std::vector<std::string> reserved_;  // names that input fields cannot have in the output
  std::uint64_t written_;
};

}  // namespace llm::shell
