// Where rows have what was predicted, and what is right.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shell/row.hpp"

namespace llm::shell {

// The value of a field, or of a path of fields and numbers ("labels.0.label"); on the way a cell of
// CSV may hold JSON. nullopt when there is none.
std::optional<OrderedJson> value_at(const OrderedJson& fields, const std::string& path);

// A text, number or truth value as text; nullopt for other values.
std::optional<std::string> value_as_text(const OrderedJson& value);

// The two together: the value at a path, as text.
std::optional<std::string> text_at(const OrderedJson& fields, const std::string& path);

// Where a result of one of our commands has its (best) prediction; empty for other rows.
std::string prediction_path(const OrderedJson& result);

// The references of a row: a text or number, a list of them, or answers as SQuAD has them (objects
// with "text"); an empty list means that no answer is right. Throws Error (invalid_input) about the
// row.
std::vector<std::string> references_of(const Row& row, const std::string& path);

}  // namespace llm::shell
