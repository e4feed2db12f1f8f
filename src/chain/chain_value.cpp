// Values from and to JSON.
#include "llm/chain/chain_value.hpp"

#include <algorithm>

#include "core/json.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

using detail::Json;
using detail::OrderedJson;

std::string json_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ChainValue value_of(const Json& json) {
  ChainValue value;
  if (json.is_string()) {
    value.text = json.get<std::string>();
  } else if (json.is_number() || json.is_boolean()) {
    value.text = json_text(json);
  } else if (json.is_array()) {
    value.is_list = true;
    for (const Json& item : json) value.items.push_back(value_of(item));
  } else if (json.is_object()) {
    for (const auto& [name, field] : json.items()) {
      if (field.is_null()) continue;
      if (name == "text" && field.is_primitive()) {
        value.text = field.is_string() ? field.get<std::string>() : json_text(field);
      } else {
        value.fields.push_back({name,
                                field.is_string() ? field.get<std::string>() : json_text(field),
                                !field.is_string()});
      }
    }
  }
  return value;
}

OrderedJson json_of(const ChainValue& value) {
  if (value.fields.empty() && value.text) return *value.text;
  if (value.fields.empty() && value.is_list) {
    OrderedJson list = OrderedJson::array();
    for (const ChainValue& item : value.items) list.push_back(json_of(item));
    return list;
  }
  OrderedJson object = OrderedJson::object();
  if (value.text) object["text"] = *value.text;
  for (const ChainField& field : value.fields)
    object[field.name] = field.is_json ? OrderedJson::parse(field.text) : OrderedJson(field.text);
  return object;
}

}  // namespace

ChainValue ChainValue::from_json(std::string_view json, const std::string& where) {
  try {
    return value_of(detail::parse_json(json, where));
  } catch (const Error& error) {
    const bool is_data = error.code() == ErrorCode::bad_format;
    throw Error(is_data ? ErrorCode::invalid_input : error.code(), error.what(), where);
  }
}

const ChainField* ChainValue::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &ChainField::name);
  return found == fields.end() ? nullptr : &*found;
}

std::string ChainValue::to_json() const {
  return json_of(*this).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace llm
