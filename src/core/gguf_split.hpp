// GGUF files that are split into parts, "NAME-00001-of-00003.gguf": which part a file is, by its
// name, and where the others are. Format: github.com/ggml-org/llama.cpp, tools/gguf-split.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace llm::detail {

struct SplitName {
  std::string stem;         // what is before the numbers
  std::int64_t number = 0;  // from 1
  std::int64_t count = 0;
};

// nullopt for other names.
std::optional<SplitName> split_name(const std::filesystem::path& file);

// The file of another part, beside `file`.
std::filesystem::path split_part(const std::filesystem::path& file, const SplitName& name,
                                 std::int64_t number);

// The only .gguf file of a folder; empty when there is none, or when there are several models.
// Throws Error (unsupported) when the files are parts of one model.
std::filesystem::path gguf_in(const std::filesystem::path& folder);

}  // namespace llm::detail
