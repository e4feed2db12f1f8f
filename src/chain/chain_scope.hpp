// What names in the templates of a step stand for: found once when a chain is planned, and filled
// with values when it runs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chain/chain_plan.hpp"

namespace llm::detail {

// A placeholder's name.
struct ChainName {
  enum class Kind { item, number, items, step, input } kind = Kind::input;
  std::size_t step = 0;    // of Kind::step
  std::string name;        // of an input
  std::string field = {};  // empty: the text itself
};

// The step of that name; nothing for other names.
std::optional<std::size_t> find_planned(const std::vector<PlannedStep>& steps,
                                        std::string_view name);

// An input's name may hold dots; `has_input` says whether there is one of exactly that name.
ChainName read_chain_name(const std::vector<PlannedStep>& steps, std::string_view name);

// One run of a chain as far as it has got.
struct ChainProgress {
  const ChainInputs* inputs = nullptr;
  std::vector<ChainValue> values;  // of steps
  std::string place;               // of the run, for errors
};

// Where a template stands.
struct ChainScope {
  const ChainPlan& plan;
  const ChainProgress& run;
  const ChainValue* item = nullptr;    // {{item}}
  std::size_t number = 0;              // {{index}}; 0: there is none
  const std::string* items = nullptr;  // {{items}}
  std::string origin = {};             // lists made from it stand for their element ...
  std::size_t aligned = 0;             // ... of this number, from 1

  // The template with all names replaced. Throws Error (invalid_input): `row` says in whom a name
  // is missing.
  std::string fill(const TextTemplate& text) const;
  // Throws Error (invalid_input) for a text that is too large to be meant: steps may double texts.
  void check_size(std::size_t bytes) const;
  // The list of that name. Throws Error (invalid_input) when it is none.
  const ChainValue& list(std::string_view name) const;

 private:
  std::optional<std::string> find(std::string_view name) const;
  std::optional<std::string> find_in(const ChainValue& value, const ChainName& name,
                                     const std::string& origin_of_value) const;
  const ChainValue* input(const ChainName& name, std::string& field) const;
  [[noreturn]] void refuse_item() const;
  Fields known_names() const;
};

}  // namespace llm::detail
