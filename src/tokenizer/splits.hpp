// The regular expressions that byte-level vocabularies cut texts with before the merges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

// Source of the first: github.com/openai/gpt-2, src/encoder.py.
inline constexpr const char* gpt2_split =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr const char* llama3_split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr const char* qwen2_split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr const char* tekken_split =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What a GGUF file means by its tokenizer.ggml.pre.
struct SplitRule {
  std::string_view name;
  std::vector<const char*> patterns;  // one after the other
  bool ignore_merges = false;         // a piece that is a token is that token
  bool adds_bos = false;              // unless the file says otherwise
  bool adds_eos = false;
  bool composes = false;  // text is brought to the form NFC first
};
// nullptr when the name is not known.
const SplitRule* find_split_rule(std::string_view name);
// All names, for errors.
std::string split_rule_names();

}  // namespace llm::detail
