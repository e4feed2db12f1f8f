/// \file
/// What goes into the steps of a chain and comes out of them: texts with fields, and lists of them.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// A named part of a value.
struct ChainField {
  std::string name;      ///< as templates name it
  std::string text;      ///< what stands for it in a template
  bool is_json = false;  ///< `text` is a number, a truth value, a list ... as JSON writes it
};

/// A text with fields, or a list.
struct ChainValue {
  std::optional<std::string> text = {};  ///< absent: a list, or fields alone
  std::vector<ChainField> fields = {};   ///< in order
  bool is_list = false;                  ///< `items` can be mapped over and joined
  std::vector<ChainValue> items = {};    ///< the elements of a list

  /// A text.
  static ChainValue of(std::string text) { return {.text = std::move(text)}; }
  /// A list.
  static ChainValue list(std::vector<ChainValue> items) {
    return {.is_list = true, .items = std::move(items)};
  }
  /// A string, number or truth value is a text; an array is a list; an object has fields, and a
  /// text if one of them, "text", is a string, number or truth value. `where` names the value in
  /// errors. Throws Error (invalid_input) for what is no JSON.
  static ChainValue from_json(std::string_view json, const std::string& where);

  /// Null when there is no such field.
  const ChainField* find(std::string_view name) const;
  /// As JSON: a string, a list, or an object of fields (with "text" first).
  std::string to_json() const;
};

/// What a chain is given, by name.
using ChainInputs = std::map<std::string, ChainValue, std::less<>>;

}  // namespace llm
