#include "shell/eval_groups.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

constexpr std::size_t max_groups = 1000;

// The same value in a cell of a table and in JSON is one group: 1, 1.0 and "1"; true and "true".
OrderedJson group_value(const OrderedJson& value) {
  if (value.is_string()) {
    const OrderedJson bare =
        OrderedJson::parse(value.get_ref<const std::string&>(), nullptr, false);
    return bare.is_number() || bare.is_boolean() ? group_value(bare) : value;
  }
  constexpr double most = 1e15;  // below, a double that looks like an integer is exactly that
  if (!value.is_number_float() || !(std::abs(value.get<double>()) < most)) return value;
  const auto whole = static_cast<std::int64_t>(value.get<double>());
  return static_cast<double>(whole) == value.get<double>() ? OrderedJson(whole) : value;
}

}  // namespace

std::uint64_t EvalSummary::rows() const {
  std::uint64_t rows = 0;
  for (const Group& group : groups) rows += group.report.rows;
  return rows;
}

EvalGroups::EvalGroups(EvalOptions options, std::string by)
    : options_(std::move(options)), by_(std::move(by)) {
  options_.validate();
  options_.interrupted = [] { return interrupt_flag().load(); };
}

std::vector<std::pair<Metric, double>> EvalGroups::add(const OrderedJson& value,
                                                       std::string_view prediction,
                                                       const std::vector<std::string>& references) {
  const OrderedJson group = group_value(value);
  const auto [place, is_new] = places_.try_emplace(dump(group), groups_.size());
  if (is_new) {
    if (groups_.size() == max_groups)
      throw Error(ErrorCode::invalid_input,
                  quote(by_) + " has more than " + std::to_string(max_groups) +
                      " values; rows are evaluated by a field with few",
                  by_);
    groups_.push_back({group, Evaluation(options_)});
  }
  return groups_[place->second].evaluation.add(prediction, references);
}

EvalSummary EvalGroups::summary() const {
  EvalSummary summary{options_, by_, failed_, {}};
  for (const Group& group : groups_)
    summary.groups.push_back({group.value, group.evaluation.report()});
  const bool numbers = std::ranges::all_of(
      summary.groups, [](const auto& group) { return group.value.is_number(); });
  if (numbers)
    std::ranges::sort(summary.groups, {},
                      [](const auto& group) { return group.value.template get<double>(); });
  return summary;
}

}  // namespace llm::shell
