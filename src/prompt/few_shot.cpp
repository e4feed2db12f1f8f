// Reading of few-shot template files and rows of fields, and building of prompts.
#include "llm/prompt/few_shot.hpp"

#include <algorithm>
#include <array>

#include "core/json.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

using detail::Json;

constexpr std::size_t max_rows_bytes = std::size_t{1} << 30;

[[noreturn]] void bad_template(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::invalid_input, where + ": " + what, where);
}

// What is wrong with it is the user's input, not a model's file.
Json parse_user_json(std::string_view text, const std::string& where) {
  try {
    return detail::parse_json(text, where);
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_input, error.what(), where);
  }
}

constexpr std::array<std::string_view, 5> template_keys = {"header", "example", "separator",
                                                           "query", "stop"};

void check_keys(const Json& json, const std::string& where) {
  if (!json.is_object()) bad_template(where, "expected a JSON object with at least \"query\"");
  for (const auto& [key, value] : json.items()) {
    if (std::find(template_keys.begin(), template_keys.end(), key) != template_keys.end()) continue;
    const std::string_view nearest = nearest_name(key, template_keys.data(), template_keys.size());
    bad_template(where, "unknown key " + quote(key) +
                            (nearest.empty() ? "; a template has header, example, separator, "
                                               "query and stop"
                                             : "; did you mean " + quote(nearest) + "?"));
  }
}

std::string string_of(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end()) return {};
  if (!found->is_string())
    bad_template(where, quote(key) + " must be a string, got " + found->type_name());
  return found->get<std::string>();
}

std::vector<std::string> stop_of(const Json& json, const std::string& where) {
  const auto found = json.find("stop");
  if (found == json.end()) return {};
  std::vector<std::string> stop;
  for (const Json& entry : found->is_array() ? *found : Json::array({*found})) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty())
      bad_template(where, "\"stop\" must be a non-empty string or a list of them");
    stop.push_back(entry.get<std::string>());
  }
  return stop;
}

FieldRow parse_row(std::string_view line, const std::string& where) {
  const auto fail = [&where](const std::string& what) {
    throw Error(ErrorCode::invalid_input, where + ": " + what, where);
  };
  const Json json = parse_user_json(line, where);
  if (!json.is_object()) fail("expected a JSON object with the row's fields");
  FieldRow row{{}, where};
  for (const auto& [key, value] : json.items()) {
    if (value.is_string()) {
      row.fields[key] = value.get<std::string>();
    } else if (value.is_number() || value.is_boolean()) {
      row.fields[key] = value.dump();
    }  // lists, objects and null cannot stand in a text: asking for them is an unknown field
  }
  return row;
}

}  // namespace

std::vector<FieldRow> read_field_rows(const std::filesystem::path& file) {
  return parse_field_rows(detail::read_file(file, max_rows_bytes), file.string());
}

std::vector<FieldRow> parse_field_rows(std::string_view text, const std::string& where) {
  std::vector<FieldRow> rows;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos)
      rows.push_back(parse_row(line, where + ", line " + std::to_string(number)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return rows;
}

FewShotTemplate FewShotTemplate::read(const std::filesystem::path& file) try {
  return parse(detail::read_file(file, std::size_t{16} << 20), file.string());
} catch (...) {
  detail::rethrow_as_error(file);
}

FewShotTemplate FewShotTemplate::parse(std::string_view text, const std::string& where) {
  const Json json = parse_user_json(text, where);
  check_keys(json, where);
  if (!json.contains("query"))
    bad_template(where, "\"query\" is missing: the text that the model goes on from");
  FewShotTemplate result;
  result.where_ = where;
  result.header_ = string_of(json, "header", where);
  result.separator_ = string_of(json, "separator", where);
  const std::string example = string_of(json, "example", where);
  const std::string query = string_of(json, "query", where);
  result.example_ = TextTemplate(example, where + ", \"example\"");
  result.query_ = TextTemplate(query, where + ", \"query\"");
  if (example.starts_with(query)) {
    result.answer_ = TextTemplate(std::string_view(example).substr(query.size()), where);
  } else if (example.empty()) {
    const bool spaced = query.find_last_not_of(" \t\n") + 1 != query.size();
    result.answer_ = TextTemplate(spaced ? "" : " ", where);
  } else {
    result.has_answer_ = false;
  }
  result.stop_ = stop_of(json, where);
  auto& stop = result.stop_;
  if (!result.separator_.empty() &&
      std::find(stop.begin(), stop.end(), result.separator_) == stop.end())
    stop.push_back(result.separator_);
  return result;
}

std::string FewShotTemplate::prompt(std::span<const FieldRow> examples,
                                    const FieldRow& query) const {
  std::string text = header_;
  for (const FieldRow& row : examples) text += example(row) + separator_;
  return text + query_.fill(query.fields, query.where);
}

std::string FewShotTemplate::example(const FieldRow& example) const {
  if (example_.empty())
    bad_template(where_, "there are examples, but the template has no \"example\" to put them in");
  return example_.fill(example.fields, example.where);
}

const TextTemplate& FewShotTemplate::answer() const {
  if (!has_answer_)
    bad_template(where_,
                 "\"example\" must begin with what \"query\" is, so that it shows where the answer "
                 "stands");
  return answer_;
}

}  // namespace llm
