// From the formats to records, and from records to rows.
#include "shell/row_reader.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "shell/signals.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::shell {
namespace {

constexpr std::pair<std::string_view, InputFormat> input_format_names[] = {
    {"jsonl", InputFormat::jsonl},
    {"csv", InputFormat::csv},
    {"tsv", InputFormat::tsv},
    {"lines", InputFormat::lines}};
constexpr std::pair<std::string_view, InputFormat> extensions[] = {{".csv", InputFormat::csv},
                                                                   {".tsv", InputFormat::tsv},
                                                                   {".tab", InputFormat::tsv},
                                                                   {".txt", InputFormat::lines}};

// Cells of a record as RFC 4180 separates them. Fed with the record's lines until it is complete.
class CellScanner {
 public:
  explicit CellScanner(char separator) : separator_(separator) {}

  // Takes the next piece of the record. Throws Error about `place`.
  void feed(std::string_view text, const std::string& place) {
    for (const char c : text) take(c, place);
  }
  // Whether the record goes on after a line end.
  bool open() const { return state_ == State::quoted; }
  std::vector<std::string> finish() {
    cells_.push_back(std::move(cell_));
    return std::move(cells_);
  }

 private:
  enum class State { begin, plain, quoted, quote };

  void take(char c, const std::string& place) {
    if (state_ == State::quoted) {
      if (c == '"') {
        state_ = State::quote;
      } else {
        cell_ += c;
      }
    } else if (c == separator_) {
      cells_.push_back(std::exchange(cell_, {}));
      state_ = State::begin;
    } else if (state_ == State::quote && c != '"') {
      bad_input(place,
                "a quoted cell goes on behind its closing quote; a quote within it must be "
                "doubled");
    } else if (state_ == State::begin && c == '"') {
      state_ = State::quoted;
    } else {
      cell_ += c;
      state_ = state_ == State::quote ? State::quoted : State::plain;
    }
  }

  char separator_;
  State state_ = State::begin;
  std::string cell_;
  std::vector<std::string> cells_;
};

std::string without_cr(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace

InputFormat input_format_from_name(const std::string& name) {
  for (const auto& [known, format] : input_format_names)
    if (known == name) return format;
  throw Error(
      ErrorCode::invalid_option,
      "--input-format " + quote(name) + " does not exist; expected jsonl, csv, tsv or lines",
      "--input-format");
}

InputFormat input_format_of(const std::string& path) {
  for (const auto& [extension, format] : extensions)
    if (path.ends_with(extension)) return format;
  return InputFormat::jsonl;
}

RowReader::RowReader(const std::string& path, Options options)
    : options_(std::move(options)), lines_(path) {
  if (has_cells()) read_header();
}

void RowReader::read_header() {
  const std::optional<std::string> record = next_record();
  if (!record) {
    if (interrupt_flag()) return;
    bad_input(lines_.name(), "is empty; expected a line with the names of the columns");
  }
  const std::string place = lines_.place(first_line_);
  if (lost_) throw Error(lost_->code, place + ": " + lost_->message, place);
  if (const auto bad = detail::find_invalid_utf8(*record))
    bad_input(place, "is not UTF-8 at byte " + std::to_string(*bad + 1));
  CellScanner scanner(separator());
  scanner.feed(*record, place);
  if (scanner.open()) bad_input(place, "a quoted cell is never closed");
  header_ = scanner.finish();
  OrderedJson fields = OrderedJson::object();
  for (const std::string& name : header_) {
    if (name.empty()) bad_input(place, "a column has no name");
    if (fields.contains(name)) bad_input(place, "the column " + quote(name) + " is there twice");
    fields[name] = nullptr;
  }
  std::vector<std::string> needed = options_.needed;
  for (const Field& field : options_.fields)
    if (!field.value) needed.push_back(field.name);
  if (!options_.id_field.empty()) needed.push_back(options_.id_field);
  for (const std::string& name : needed)
    if (!fields.contains(name))
      bad_input(place, "there is no column " + quote(name) + field_suggestion(name, fields));
}

std::optional<std::string> RowReader::next_line() {
  std::optional<std::string> line = lines_.next_with_cr();
  if (lines_.lost()) lost_ = lines_.lost();
  return line;
}

// A line; in CSV and TSV as many lines as quotes hold together. Blank lines are skipped, except
// where every line is a row.
std::optional<std::string> RowReader::next_record() {
  lost_.reset();
  std::optional<std::string> line;
  do {
    line = next_line();
    if (!line) return std::nullopt;
  } while (!lost_ && options_.format != InputFormat::lines &&
           line->find_first_not_of(has_cells() ? "\r" : " \t\r") == std::string::npos);
  first_line_ = lines_.line_number();
  if (lost_) return line;
  return has_cells() ? with_quoted_lines(std::move(*line)) : without_cr(std::move(*line));
}

std::string RowReader::with_quoted_lines(std::string record) {
  CellScanner scanner(separator());
  try {
    scanner.feed(without_cr(record), {});
    while (scanner.open() && record.size() < LineReader::max_line_bytes) {
      const std::optional<std::string> line = next_line();
      if (!line || lost_) break;
      const bool had_cr = record.ends_with('\r');
      record += '\n' + *line;
      scanner.feed(had_cr ? "\r\n" : "\n", {});
      scanner.feed(without_cr(*line), {});
    }
  } catch (const Error&) {
    // The record ends here; parse_cells() says what is wrong with it.
  } catch (const std::bad_alloc&) {
    lost_ = RowError{ErrorCode::out_of_memory, "there is not enough memory to read the row"};
    return {};
  }
  return without_cr(std::move(record));
}

std::optional<Row> RowReader::next() {
  const std::optional<std::string> record = next_record();
  if (!record) return std::nullopt;
  Row row = parse(*record);
  if (row.error && row.error->code == ErrorCode::interrupted) return std::nullopt;
  row.number = count_++;
  return row;
}

Row RowReader::parse(const std::string& record) {
  Row row;
  row.line = first_line_;
  row.place = lines_.place(first_line_);
  row.id = '"' + std::to_string(first_line_) + '"';
  row.bytes = record.size();
  try {
    parse(record, row);
  } catch (const Error& error) {
    const bool is_data = error.code() == ErrorCode::bad_format;
    row.error = RowError{is_data ? ErrorCode::invalid_input : error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    row.error = RowError{ErrorCode::out_of_memory,
                         row.place + ": there is not enough memory for a row of " +
                             std::to_string(record.size()) + " bytes"};
  }
  if (row.error && row.error->code == ErrorCode::out_of_memory) row.give_up(std::move(*row.error));
  return row;
}

void RowReader::parse(const std::string& record, Row& row) {
  if (lost_) throw Error(lost_->code, row.place + ": " + lost_->message, row.place);
  if (const auto bad = detail::find_invalid_utf8(record))
    bad_input(row.place, "is not UTF-8 at byte " + std::to_string(*bad + 1) + " of the row");
  if (options_.format == InputFormat::jsonl) {
    parse_json(record, row);
  } else if (options_.format == InputFormat::lines) {
    row.fields[options_.line_field] = record;
  } else {
    parse_cells(record, row);
  }
  take_id(row);
  take_texts(row);
}

void RowReader::parse_json(const std::string& record, Row& row) const {
  OrderedJson fields = detail::parse_ordered_json(record, row.place, &interrupt_flag());
  if (!fields.is_object())
    bad_input(row.place, "expected a JSON object, got " + std::string(fields.type_name()));
  row.fields = std::move(fields);
}

void RowReader::parse_cells(const std::string& record, Row& row) const {
  CellScanner scanner(separator());
  scanner.feed(record, row.place);
  if (scanner.open()) bad_input(row.place, "the quoted cell that begins here is never closed");
  std::vector<std::string> cells = scanner.finish();
  if (cells.size() != header_.size())
    bad_input(row.place, "expected " + std::to_string(header_.size()) +
                             " cells as in the header, got " + std::to_string(cells.size()));
  for (std::size_t i = 0; i < cells.size(); ++i) row.fields[header_[i]] = std::move(cells[i]);
}

void RowReader::take_id(Row& row) {
  const std::string name = options_.id_field.empty() ? "id" : options_.id_field;
  const auto id = row.fields.find(name);
  if (id == row.fields.end() || id->is_null()) {
    if (options_.id_field.empty()) return;
    bad_input(row.place, "the row has no " + quote(name) + field_suggestion(name, row.fields));
  }
  if (!id->is_string() && !id->is_number())
    bad_input(row.place, quote(name) + " must be a string or a number");
  row.id = id->dump();
  row.has_own_id = true;
  if (!options_.unique_ids) return;
  if (const auto line = seen_.add(row.id, row.line))
    bad_input(row.place, "the id " + row.id.substr(0, 80) + " is that of line " +
                             std::to_string(*line) + ", too; --id-field names another field");
}

void RowReader::take_texts(Row& row) const {
  for (const std::string& name : options_.needed)
    if (!row.fields.contains(name))
      bad_input(row.place, "the row has no " + quote(name) + field_suggestion(name, row.fields));
  if (options_.ids && row.fields.contains("ids") && !row.fields.contains(options_.fields[0].name))
    return;
  for (const auto& [name, value] : options_.fields) {
    const auto field = row.fields.find(name);
    if (value) {
      row.texts.push_back(*value);
    } else if (field == row.fields.end()) {
      bad_input(row.place,
                options_.ids
                    ? "the row has neither " + quote(name) + " nor \"ids\"; --field names the text"
                    : "the row has no " + quote(name) + field_suggestion(name, row.fields));
    } else if (!field->is_string()) {
      bad_input(row.place, quote(name) + " must be a string, got " + field->type_name());
    } else {
      row.texts.push_back(field->get<std::string>());
    }
  }
}

}  // namespace llm::shell
