#include "shell/eval_fields.hpp"

#include <algorithm>
#include <charconv>

#include "llm/core/error.hpp"

namespace llm::shell {
namespace {

// The JSON in a cell, at most as deep as rows may be; null when it is not JSON.
OrderedJson json_of_cell(const std::string& cell) {
  try {
    return detail::parse_ordered_json(cell, "a cell");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::bad_format) throw;
    return nullptr;
  }
}

// One step of a path.
std::optional<OrderedJson> member(const OrderedJson& value, const std::string& name) {
  if (value.is_string()) {
    const OrderedJson parsed = json_of_cell(value.get_ref<const std::string&>());
    return parsed.is_structured() ? member(parsed, name) : std::nullopt;
  }
  if (value.is_object()) {
    const auto field = value.find(name);
    return field == value.end() ? std::nullopt : std::optional<OrderedJson>(*field);
  }
  std::size_t index = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), index);
  const bool is_index = read.ec == std::errc() && read.ptr == name.data() + name.size();
  if (!value.is_array() || !is_index || index >= value.size()) return std::nullopt;
  return value[index];
}

[[noreturn]] void bad_reference(const Row& row, const std::string& path, const std::string& what) {
  throw Error(ErrorCode::invalid_input, row.place + ": the reference " + quote(path) + " " + what,
              row.place);
}

void append_references(const Row& row, const std::string& path, const OrderedJson& value,
                       std::vector<std::string>& references) {
  if (auto text = value_as_text(value)) {
    references.push_back(std::move(*text));
  } else if (value.is_array()) {
    for (const OrderedJson& element : value) append_references(row, path, element, references);
  } else if (value.is_object() && value.contains("text")) {
    append_references(row, path, value["text"], references);
  } else {
    bad_reference(row, path,
                  "must be a text, a number or a list of them, got " + dump(value).substr(0, 80));
  }
}

}  // namespace

std::optional<OrderedJson> value_at(const OrderedJson& fields, const std::string& path) {
  if (fields.contains(path)) return fields[path];
  std::optional<OrderedJson> value = fields;
  for (std::size_t begin = 0; value && begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    value = member(*value, path.substr(begin, end - begin));
    begin = end + 1;
  }
  return value;
}

std::optional<std::string> value_as_text(const OrderedJson& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number() || value.is_boolean()) return value.dump();
  return std::nullopt;
}

std::optional<std::string> text_at(const OrderedJson& fields, const std::string& path) {
  const std::optional<OrderedJson> value = value_at(fields, path);
  return value ? value_as_text(*value) : std::nullopt;
}

std::string prediction_path(const OrderedJson& result) {
  if (result.contains("label_probs")) return "label";
  if (result.contains("finish_reason")) return "text";
  if (result.contains("answers")) return "answers.0.answer";
  if (result.contains("labels")) return result.contains("scores") ? "labels.0" : "labels.0.label";
  if (result.contains("choices")) return "best";
  return {};
}

std::vector<std::string> references_of(const Row& row, const std::string& path) {
  const std::optional<OrderedJson> value = value_at(row.fields, path);
  if (!value)
    throw Error(ErrorCode::invalid_input,
                row.place + ": the row has no reference " + quote(path) +
                    field_suggestion(path, row.fields),
                row.place);
  if (value->is_null()) bad_reference(row, path, "is null");
  std::vector<std::string> references;
  append_references(row, path, *value, references);
  if (references.empty()) references.emplace_back();
  return references;
}

}  // namespace llm::shell
