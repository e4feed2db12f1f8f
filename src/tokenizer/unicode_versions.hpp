// Differences between the versions of Unicode that the reference's parts were built with and the
// one of our tables. A few hundred rare characters; without them ids would differ for their texts.
#pragma once

#include <string>
#include <string_view>

namespace llm::detail {

// Marks, punctuation and format characters that the reference takes for unassigned.
bool is_after_unicode_8(char32_t c);
// Characters that do not combine, decompose or compose in the reference.
bool is_after_unicode_9(char32_t c);
// Characters that utf8proc does not know yet.
bool is_number_of_unicode_16(char32_t c);
bool is_word_of_unicode_16(char32_t c);
// The lower case of the letters that utf8proc does not know yet; all others come back unchanged.
char32_t lower_of_unicode_16(char32_t c);

// Makes a copy of valid UTF-8 in which characters that PCRE2 does not know yet are replaced by
// older ones of the same properties and length. False, and no copy, when there are none.
bool replace_new_code_points(std::string_view text, std::string& replaced);

}  // namespace llm::detail
