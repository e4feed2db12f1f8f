// From labelled tokens to entities: words, groups, and windows that overlap. Follows the
// reference's TokenClassificationPipeline, which names its steps alike.
#pragma once

#include <string>
#include <vector>

#include "llm/tasks/ner.hpp"

namespace llm::detail {

// One token that is not special.
struct TaggedToken {
  std::string word;            // as the vocabulary spells it; of an unknown one, the text itself
  std::vector<double> scores;  // of all labels
  ByteSpan bytes;
  std::int64_t index = 0;   // in its window
  bool is_subword = false;  // goes on within a word
};

// The tokens of one window. `labels`: names by number.
std::vector<Entity> group_tokens(const std::vector<TaggedToken>& tokens, Aggregation aggregation,
                                 const std::vector<std::string>& labels,
                                 const Tokenizer& tokenizer);

// Of entities of several windows that overlap, the longest stays; of equally long ones the one with
// the higher score. Lengths are counted in characters, as the reference counts them.
std::vector<Entity> resolve_overlaps(std::vector<Entity> entities);

}  // namespace llm::detail
