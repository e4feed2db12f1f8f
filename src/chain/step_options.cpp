#include "chain/step_options.hpp"

#include <algorithm>

#include "llm/core/error.hpp"

namespace llm::detail {

StepOptions::StepOptions(const ChainTask& task, const ChainStep& step, std::string where)
    : where_(std::move(where)) {
  GenerationConfig scratch;
  for (const ChainSetting& option : step.options) {
    std::string name = option.name;
    std::ranges::replace(name, '-', '_');
    if (std::ranges::count(task.options, name) > 0 && name != "stop") {
      own_[name] = parse_json(option.value, where_);
    } else if (task.generates) {
      if (name == "stop") name = "stop_strings";
      checked([&] { scratch.set(name, option.value, where_); });
      settings_.push_back({name, option.value, where_});
    } else {
      detail::bad_chain(where_, "the task " + quote(task.name) + " has no option " + quote(name) +
                                    nearest_or_list(name, task.options));
    }
  }
}

void StepOptions::bad_chain(const std::string& where, const Error& error) {
  throw Error(ErrorCode::invalid_input, where.empty() ? error.what() : where + ": " + error.what(),
              where);
}

const Json* StepOptions::find(std::string_view name) const {
  const auto found = own_.find(std::string(name));
  return found == own_.end() || found->is_null() ? nullptr : &*found;
}

void StepOptions::wrong(std::string_view name, const char* expected, const Json& value) const {
  detail::bad_chain(where_,
                    quote(name) + " must be " + expected + ", got " +
                        value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80));
}

std::optional<std::int64_t> StepOptions::integer(std::string_view name, std::int64_t least) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer() || *value < least || *value > max_chain_number)
    wrong(name, integer_range(least).c_str(), *value);
  return value->get<std::int64_t>();
}

std::optional<bool> StepOptions::boolean(std::string_view name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<std::string> StepOptions::text(std::string_view name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong(name, "a string", *value);
  return value->get<std::string>();
}

std::optional<std::string> StepOptions::text(std::string_view name, std::string_view other) const {
  const auto value = text(name);
  return value ? value : text(other);
}

std::optional<std::vector<std::string>> StepOptions::list(std::string_view name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  std::vector<std::string> strings;
  for (const Json& entry : value->is_array() ? *value : Json::array({*value})) {
    if (!entry.is_string()) wrong(name, "a string or a list of strings", *value);
    strings.push_back(entry.get<std::string>());
  }
  return strings;
}

bool StepOptions::cuts(bool otherwise) const {
  const auto overflow = text("overflow");
  if (!overflow) return otherwise;
  if (*overflow == "error") return false;
  if (*overflow == "truncate-right" || *overflow == "truncate_right") return true;
  detail::bad_chain(where_,
                    "\"overflow\" " + quote(*overflow) + ": expected error or truncate-right");
}

}  // namespace llm::detail
