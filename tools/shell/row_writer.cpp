// From a row to bytes, in each format.
#include "shell/row_writer.hpp"

#include <algorithm>
#include <utility>

#include "llm/core/error.hpp"

namespace llm::shell {
namespace {

constexpr std::pair<std::string_view, Format> output_format_names[] = {{"jsonl", Format::jsonl},
                                                                       {"csv", Format::csv},
                                                                       {"tsv", Format::tsv},
                                                                       {"text", Format::text},
                                                                       {"json", Format::json}};

// A value in a cell, without quotes around it.
std::string cell_text(const OrderedJson& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.get<std::string>() : dump(value);
}

std::string quoted_cell(const std::string& text, char separator) {
  const bool plain = text.find_first_of("\"\r\n") == std::string::npos &&
                     text.find(separator) == std::string::npos;
  if (plain) return text;
  std::string cell = "\"";
  for (const char c : text) {
    if (c == '"') cell += c;
    cell += c;
  }
  return cell + '"';
}

}  // namespace

Format format_from_name(const std::string& name) {
  for (const auto& [known, format] : output_format_names)
    if (known == name) return format;
  throw Error(ErrorCode::invalid_option,
              "--format " + quote(name) + " does not exist; expected jsonl, csv, tsv, text or json",
              "--format");
}

RowWriter::RowWriter(Layout layout, std::uint64_t written)
    : layout_(std::move(layout)),
      kept_(layout_.keep.begin(), layout_.keep.end()),
      reserved_(layout_.columns),
      written_(written) {
  for (const char* name : {"id", "error", "error_code", "line"}) reserved_.emplace_back(name);
}

void RowWriter::set_input_fields(const OrderedJson& fields) {
  if (!layout_.keep_all || !layout_.keep.empty()) return;
  for (const auto& [name, value] : fields.items())
    if (name != layout_.id_field) layout_.keep.push_back(name);
  kept_.insert(layout_.keep.begin(), layout_.keep.end());
}

std::optional<std::string> RowWriter::unforeseen_field(const OrderedJson& fields) const {
  if (!layout_.keep_all || !has_cells()) return std::nullopt;
  for (const auto& [name, value] : fields.items())
    if (name != layout_.id_field && !kept_.contains(name)) return name;
  return std::nullopt;
}

bool RowWriter::has_cells() const {
  return layout_.format == Format::csv || layout_.format == Format::tsv;
}

// The name of an input field in a result: a new one if the result has a field of that name, and one
// that no other kept field has.
std::string RowWriter::kept_name(const std::string& name,
                                 const std::function<bool(const std::string&)>& kept) const {
  std::string free = name;
  while (std::ranges::count(reserved_, free) > 0 || (free != name && kept(free)))
    free = "input_" + free;
  return free;
}

// A row that could not be read has no fields.
void RowWriter::add_kept(const Row& row, OrderedJson& line) const {
  if (layout_.keep_all && !has_cells()) {
    const auto kept = [&](const std::string& name) { return row.fields.contains(name); };
    for (const auto& [name, value] : row.fields.items())
      if (name != layout_.id_field) line[kept_name(name, kept)] = value;
    return;
  }
  const auto kept = [&](const std::string& name) { return kept_.contains(name); };
  for (const std::string& name : layout_.keep)
    if (const auto field = row.fields.find(name); field != row.fields.end())
      line[kept_name(name, kept)] = *field;
}

std::vector<std::string> RowWriter::header() const {
  std::vector<std::string> names = {"id"};
  const auto kept = [&](const std::string& name) { return kept_.contains(name); };
  for (const std::string& name : layout_.keep) names.push_back(kept_name(name, kept));
  names.insert(names.end(), layout_.columns.begin(), layout_.columns.end());
  for (const char* name : {"error", "error_code", "line"}) names.emplace_back(name);
  return names;
}

std::string RowWriter::cells(const OrderedJson& line) const {
  const char separator = layout_.format == Format::csv ? ',' : '\t';
  std::string text;
  for (const std::string& name : header()) {
    if (!text.empty() || name != "id") text += separator;
    const auto value = line.find(name);
    if (value != line.end()) text += quoted_cell(cell_text(*value), separator);
  }
  return text + '\n';
}

std::string RowWriter::line(const OrderedJson& object) {
  std::string text;
  if (has_cells()) {
    if (written_ == 0) {
      OrderedJson names;
      for (const std::string& name : header()) names[name] = name;
      text = cells(names);
    }
    text += cells(object);
  } else {
    if (layout_.list) text = written_ == 0 ? "[" : ",\n ";
    text += dump(object);
    if (!layout_.list) text += '\n';
  }
  ++written_;
  return text;
}

std::string RowWriter::bytes(const Row& row, const RowResult& result) {
  if (layout_.format == Format::text) {
    std::string text;
    for (const OrderedJson& fields : result.results)
      text += (fields.contains("error") ? "" : layout_.text(row, fields)) + '\n';
    written_ += std::max<std::size_t>(result.results.size(), 1);
    return result.error ? "\n" : text;
  }
  OrderedJson head;
  head["id"] = OrderedJson::parse(row.id);  // as JSON, so that numbers stay numbers
  add_kept(row, head);
  if (result.error) {
    head.update(to_fields(*result.error));
    head["line"] = row.line;
    return line(head);
  }
  std::string text;
  for (const OrderedJson& fields : result.results) {
    OrderedJson object = head;
    for (const auto& [name, value] : fields.items()) object[name] = value;
    text += line(object);
  }
  return text;
}

std::string RowWriter::end() const {
  if (!layout_.list) return {};
  return written_ == 0 ? "[]\n" : "]\n";
}

}  // namespace llm::shell
