// Texts as the scorers of this folder see them: valid UTF-8, references that are there, and words
// as numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {

// Ill-formed parts of the text are replaced.
inline std::string scored_text(std::string_view text) {
  return find_invalid_utf8(text) ? repair_utf8(std::string(text)) : std::string(text);
}

inline void require_reference(std::span<const std::string> references) {
  if (references.empty())
    throw Error(ErrorCode::invalid_input, "a prediction has no reference to be compared with");
}

// Numbers for words, from 1, in the order of their first appearance.
class WordNumbers {
 public:
  std::vector<std::uint32_t> operator()(std::span<const std::string> words) {
    std::vector<std::uint32_t> numbers;
    numbers.reserve(words.size());
    for (const std::string& word : words)
      numbers.push_back(
          known_.try_emplace(word, static_cast<std::uint32_t>(known_.size() + 1)).first->second);
    return numbers;
  }
  // One more than the largest number.
  std::size_t end() const { return known_.size() + 1; }

 private:
  std::map<std::string, std::uint32_t, std::less<>> known_;
};

}  // namespace llm::detail
