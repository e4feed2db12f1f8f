// What a task gives as JSON, as fields of a value.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "chain/step_runner.hpp"

namespace llm::detail {

using OrderedFields = OrderedJson;

// A value's field from JSON: strings as they are.
inline ChainField chain_field(const std::string& name, const OrderedFields& json) {
  if (json.is_string()) return {name, json.get<std::string>()};
  return {name, json.dump(-1, ' ', false, OrderedFields::error_handler_t::replace), true};
}

inline ChainValue chain_value(std::string text, const OrderedFields& fields) {
  ChainValue value = ChainValue::of(std::move(text));
  for (const auto& [name, json] : fields.items()) value.fields.push_back(chain_field(name, json));
  return value;
}

template <typename S>
OrderedFields number_json(double value) {
  return OrderedFields::parse(json_number(static_cast<S>(value)));
}

inline const std::string& text_named(const StepRequest& request, std::string_view name) {
  return request.texts.find(name)->second;
}

}  // namespace llm::detail
