// The table of what can be opened, as the documentation shows it.
#pragma once

#include <string>

namespace llm::shell {

// Markdown, from the registry of families and the list of element types.
std::string supported_table();

}  // namespace llm::shell
