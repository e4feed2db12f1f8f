// What is fuzzed: one target for each kind of file or text that comes from others. A target ends
// with success or with an llm::Error that a person can read; anything else is a finding.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/folder_input.hpp"

namespace llm::fuzz {

struct Target {
  const char* name;
  // Opens and uses the files. Throws llm::Error.
  void (*use)(const std::filesystem::path& folder, const std::vector<Part>& parts);
  // Sound inputs, made of the project's fixtures.
  std::vector<std::vector<Part>> (*seeds)();
};

std::span<const Target> targets();
// nullptr when there is none of that name.
const Target* find_target(std::string_view name);

// Runs the target on one input. The message with which it was refused; nothing when it was
// accepted. Throws std::logic_error for an Error that is not fit for a person, and whatever else
// the target should not throw.
std::optional<std::string> run(const Target& target, std::string_view input);

}  // namespace llm::fuzz
