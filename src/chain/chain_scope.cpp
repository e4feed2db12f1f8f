#include "chain/chain_scope.hpp"

#include <algorithm>

#include "chain/chain_tasks.hpp"
#include "llm/core/error.hpp"

namespace llm::detail {

std::optional<std::size_t> find_planned(const std::vector<PlannedStep>& steps,
                                        std::string_view name) {
  const auto found = std::ranges::find_if(
      steps, [name](const PlannedStep& planned) { return planned.step.name == name; });
  if (found == steps.end()) return std::nullopt;
  return static_cast<std::size_t>(found - steps.begin());
}

ChainName read_chain_name(const std::vector<PlannedStep>& steps, std::string_view name) {
  using Kind = ChainName::Kind;
  const std::size_t dot = std::min(name.find('.'), name.size());
  const std::string_view head = name.substr(0, dot);
  ChainName read{.name = std::string(name)};
  if (dot < name.size()) read.field = name.substr(dot + 1);
  if (head == "item") {
    read.kind = Kind::item;
  } else if (name == "index") {
    read.kind = Kind::number;
  } else if (name == "items") {
    read.kind = Kind::items;
  } else if (const auto step = find_planned(steps, head)) {
    read.kind = Kind::step;
    read.step = *step;
  }
  return read;
}

namespace {

// What a step's list was made from: it goes along with other lists of the same origin.
const std::string& origin_of(const PlannedStep& planned) {
  return planned.maps() ? planned.origin : planned.step.name;
}

}  // namespace

std::optional<std::string> ChainScope::find_in(const ChainValue& value, const ChainName& name,
                                               const std::string& origin_of_value) const {
  const ChainValue* one = &value;
  const bool is_aligned = value.is_list && aligned > 0 && origin == origin_of_value;
  if (is_aligned &&
      !(name.field.empty() ? value.text.has_value() : value.find(name.field) != nullptr))
    one = aligned <= value.items.size() ? &value.items[aligned - 1] : one;
  if (name.field.empty()) {
    if (one->text) return one->text;
    if (one->is_list)
      throw Error(ErrorCode::invalid_input,
                  run.place + quote(name.name) +
                      " is a list; \"reduce\" joins it, \"map\" goes over it, one by one");
    return std::nullopt;
  }
  if (const ChainField* const field = one->find(name.field)) return field->text;
  if (name.field == "text") return one->text;
  return std::nullopt;
}

// The input that is meant: of exactly this name, or of that before the first dot.
const ChainValue* ChainScope::input(const ChainName& name, std::string& field) const {
  const auto exact = run.inputs->find(name.name);
  if (exact != run.inputs->end()) {
    field.clear();
    return &exact->second;
  }
  const auto head = run.inputs->find(name.name.substr(0, name.name.find('.')));
  field = name.field;
  return head == run.inputs->end() || field.empty() ? nullptr : &head->second;
}

std::optional<std::string> ChainScope::find(std::string_view text) const {
  using Kind = ChainName::Kind;
  ChainName name = read_chain_name(plan.steps(), text);
  switch (name.kind) {
    case Kind::item:
      if (item == nullptr) return std::nullopt;
      if (name.field.empty() && !item->text && !item->is_list) refuse_item();
      return find_in(*item, name, {});
    case Kind::number:
      return number == 0 ? std::nullopt : std::optional(std::to_string(number));
    case Kind::items:
      return items == nullptr ? std::nullopt : std::optional(*items);
    case Kind::step:
      return find_in(run.values[name.step], name, origin_of(plan.steps()[name.step]));
    case Kind::input:
      break;
  }
  const ChainValue* const value = input(name, name.field);
  if (value == nullptr) return std::nullopt;
  return find_in(
      *value, name,
      name.name.substr(0, name.name.size() - (name.field.empty() ? 0 : name.field.size() + 1)));
}

// An element that has no text of its own.
void ChainScope::refuse_item() const {
  std::string fields;
  for (const ChainField& field : item->fields)
    fields += (fields.empty() ? "" : ", ") + ("{{item." + field.name + "}}");
  throw Error(ErrorCode::invalid_input,
              run.place + "element " + std::to_string(number) + " of the list " +
                  (fields.empty() ? "is null or empty and has no text"
                                  : "has no \"text\" for {{item}}; it has " + fields));
}

// For the error about a name that is none of them.
Fields ChainScope::known_names() const {
  Fields names;
  const auto add = [&names](const std::string& name, const ChainValue& value) {
    if (value.text) names[name];
    for (const ChainField& field : value.fields) names[name + "." + field.name];
  };
  for (const auto& [name, value] : *run.inputs) {
    add(name, value);
    if (origin == name && aligned > 0 && aligned <= value.items.size())
      add(name, value.items[aligned - 1]);
  }
  for (std::size_t i = 0; i < run.values.size(); ++i) add(plan.steps()[i].step.name, run.values[i]);
  if (item != nullptr) add("item", *item);
  if (number > 0) names["index"];
  if (items != nullptr) names["items"];
  return names;
}

std::string ChainScope::fill(const TextTemplate& text) const {
  Fields fields;
  bool missing = false;
  for (const std::string& name : text.field_names()) {
    const auto found = find(name);
    missing = missing || !found;
    if (found) fields[name] = *found;
  }
  if (missing) fields.merge(known_names());
  std::string filled =
      text.fill(fields, missing && number > 0 ? "the inputs and steps of the chain and element " +
                                                    std::to_string(number) + " of the list"
                                              : "the inputs and steps of the chain");
  check_size(filled.size());
  return filled;
}

void ChainScope::check_size(std::size_t bytes) const {
  constexpr std::size_t most = std::size_t{64} << 20;
  if (bytes > most)
    throw Error(ErrorCode::invalid_input,
                run.place + "a text becomes larger than 64 MiB; does a step double it?");
}

const ChainValue& ChainScope::list(std::string_view name) const {
  const auto step = find_planned(plan.steps(), name);
  const ChainValue* value = nullptr;
  if (step) {
    value = &run.values[*step];
  } else if (const auto found = run.inputs->find(name); found != run.inputs->end()) {
    value = &found->second;
  } else {
    std::vector<std::string_view> names;
    for (const auto& [known, given] : *run.inputs) names.push_back(known);
    throw Error(ErrorCode::invalid_input,
                run.place + "there is no input " + quote(name) + nearest_or_list(name, names));
  }
  if (value->is_list) return *value;
  throw Error(ErrorCode::invalid_input, run.place + quote(name) + " is no list, but " +
                                            (value->text ? "a text: " + quote(*value->text, 60)
                                             : value->fields.empty() ? "null or empty"
                                                                     : "an object"));
}

}  // namespace llm::detail
