// A picture in SVG: a metric over the values of a field, with intervals.
#pragma once

#include <string>

#include "shell/eval_groups.hpp"

namespace llm::shell {

// Draws the first metric. Throws Error (invalid_input) when no group has a value of it.
std::string plot_svg(const EvalSummary& summary);

}  // namespace llm::shell
