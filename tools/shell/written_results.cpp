#include "shell/written_results.hpp"

#include <utility>

namespace llm::shell {
namespace {

InputFormat format_to_read(Format format) {
  if (format == Format::csv) return InputFormat::csv;
  return format == Format::tsv ? InputFormat::tsv : InputFormat::jsonl;
}

// An id as a cell has it, where numbers look like texts.
std::string bare_id(const Row& row) {
  const OrderedJson id = OrderedJson::parse(row.id);
  return id.is_string() ? id.get<std::string>() : row.id;
}

bool has_value(const OrderedJson& fields, const char* name) {
  const auto field = fields.find(name);
  if (field == fields.end() || field->is_null()) return false;
  return !field->is_string() || !field->get_ref<const std::string&>().empty();
}

}  // namespace

bool has_failed(const OrderedJson& fields) { return has_value(fields, "error"); }

WrittenResults::WrittenResults(const std::string& path, Format format)
    : reader_(path, {.format = format_to_read(format), .unique_ids = false}),
      next_(reader_.next()) {}

// The results of a row have its id; a row that failed as a whole has its line, and only one result.
RowResult WrittenResults::of(const Row& row) {
  std::vector<OrderedJson> results;
  while (next_ && bare_id(*next_) == bare_id(row)) {
    const bool whole = has_value(next_->fields, "line");
    if (whole && !results.empty()) break;
    OrderedJson fields = std::move(next_->fields);
    next_ = reader_.next();
    if (whole) return RowError{ErrorCode::invalid_input, dump(fields["error"])};
    results.push_back(std::move(fields));
  }
  if (results.empty()) return RowError{ErrorCode::io, row.place + ": its results are not there"};
  return results;
}

}  // namespace llm::shell
