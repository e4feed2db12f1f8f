// One evaluation for each value of a field (in a sweep: for each number of shots).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "llm/eval/evaluation.hpp"
#include "shell/row.hpp"

namespace llm::shell {

struct EvalSummary {
  struct Group {
    OrderedJson value;  // of the field; null without one
    EvalReport report;
  };

  EvalOptions options;
  std::string by;            // the field; empty: there is one group only
  std::uint64_t failed = 0;  // rows and results that are in no group
  std::vector<Group> groups;

  std::uint64_t rows() const;
};

class EvalGroups {
 public:
  EvalGroups(EvalOptions options, std::string by);

  // As Evaluation::add(). Throws Error (invalid_input) when there are too many groups.
  std::vector<std::pair<Metric, double>> add(const OrderedJson& value, std::string_view prediction,
                                             const std::vector<std::string>& references);
  void add_failed() { ++failed_; }

  // Groups in the order of their values if all are numbers, else in order of appearance.
  EvalSummary summary() const;

 private:
  struct Group {
    OrderedJson value;
    Evaluation evaluation;
  };

  EvalOptions options_;
  std::string by_;
  std::uint64_t failed_ = 0;
  std::vector<Group> groups_;
  std::map<std::string, std::size_t> places_;
};

}  // namespace llm::shell
