// A metric over the values of a field, with its intervals, as a picture in SVG.
#pragma once

#include <string>

#include "shell/eval_groups.hpp"

namespace llm::shell {

// Of the first metric. Throws Error (invalid_input) when no group has a value of it.
std::string plot_svg(const EvalSummary& summary);

}  // namespace llm::shell
