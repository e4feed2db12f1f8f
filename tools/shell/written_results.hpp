// Results that were written as rows, read back by a run that goes on with another one's output.
#pragma once

#include <optional>
#include <string>

#include "shell/row_reader.hpp"
#include "shell/row_writer.hpp"

namespace llm::shell {

// Whether a written row says that it failed.
bool has_failed(const OrderedJson& fields);

class WrittenResults {
 public:
  // `format` is one with fields, and a line for each row: jsonl, csv or tsv.
  WrittenResults(const std::string& path, Format format);

  // What was written for the next row of the input.
  RowResult of(const Row& row);

 private:
  RowReader reader_;
  std::optional<Row> next_;
};

}  // namespace llm::shell
