#include "shell/eval_groups.hpp"

#include <algorithm>
#include <utility>

#include "llm/core/error.hpp"
#include "shell/signals.hpp"

namespace llm::shell {
namespace {

constexpr std::size_t max_groups = 1000;

// A number that a cell holds as text is a number.
OrderedJson group_value(const OrderedJson& value) {
  if (!value.is_string()) return value;
  const OrderedJson number =
      OrderedJson::parse(value.get_ref<const std::string&>(), nullptr, false);
  return number.is_number() ? number : value;
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
