// Which files this process reads and which it will replace. None may be both, whatever its name and
// whichever is opened first: otherwise --force would lose an input.
#pragma once

#include <string>

namespace llm::shell {

// They throw Error (invalid_option) when the same file has the other role. Pipes and devices may
// have both.
void note_reading(int file, const std::string& name);
void note_reading(const std::string& path);
void note_replacing(const std::string& path);

}  // namespace llm::shell
