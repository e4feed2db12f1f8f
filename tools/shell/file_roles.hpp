// Which files this process reads, and which it will replace: none may be both, however it is named
// and whichever is opened first. Otherwise --force would lose an input.
#pragma once

#include <string>

namespace llm::shell {

// They throw Error (invalid_option) when the other has been said of the same file. Pipes and
// devices may be both.
void note_reading(int file, const std::string& name);
void note_reading(const std::string& path);
void note_replacing(const std::string& path);

}  // namespace llm::shell
