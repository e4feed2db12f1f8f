// Porter's stemmer ("An algorithm for suffix stripping", 1980) with the extensions that NLTK adds
// by default, which is what rouge-score uses.
#pragma once

#include <string>

namespace llm::detail {

// `word` in lower case, ASCII.
std::string porter_stem(std::string word);

}  // namespace llm::detail
