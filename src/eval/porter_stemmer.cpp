#include "eval/porter_stemmer.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace llm::detail {
namespace {

bool is_vowel_letter(char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }

// Which letters are consonants: a y is one at the beginning and behind a vowel.
std::vector<bool> consonants(std::string_view word) {
  std::vector<bool> flags;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const bool y = word[i] == 'y';
    flags.push_back(y ? i == 0 || !flags[i - 1] : !is_vowel_letter(word[i]));
  }
  return flags;
}

// How often a vowel is followed by a consonant: m in Porter's [C](VC){m}[V].
int measure(std::string_view stem) {
  const std::vector<bool> consonant = consonants(stem);
  int count = 0;
  for (std::size_t i = 1; i < consonant.size(); ++i) count += !consonant[i - 1] && consonant[i];
  return count;
}

bool contains_vowel(std::string_view stem) {
  const std::vector<bool> consonant = consonants(stem);
  return std::ranges::find(consonant, false) != consonant.end();
}

bool ends_in_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && consonants(word).back();
}

// Consonant, vowel, consonant other than w, x, y; or a word of a vowel and a consonant.
bool ends_cvc(std::string_view word) {
  const std::vector<bool> consonant = consonants(word);
  const std::size_t n = word.size();
  if (n == 2) return !consonant[0] && consonant[1];
  return n >= 3 && consonant[n - 3] && !consonant[n - 2] && consonant[n - 1] &&
         word.back() != 'w' && word.back() != 'x' && word.back() != 'y';
}

std::string stem_of(const std::string& word, std::string_view suffix) {
  return word.substr(0, word.size() - suffix.size());
}

struct SuffixRule {
  std::string_view suffix, replacement;
};

// The first rule whose suffix the word has decides, whether its stem is long enough or not.
std::string apply_rules(const std::string& word, std::span<const SuffixRule> rules, int more_than) {
  for (const auto& [suffix, replacement] : rules) {
    if (!word.ends_with(suffix)) continue;
    const std::string stem = stem_of(word, suffix);
    return measure(stem) > more_than ? stem + std::string(replacement) : word;
  }
  return word;
}

std::string step_1a(const std::string& word) {
  if (word.ends_with("ies")) return stem_of(word, "ies") + (word.size() == 4 ? "ie" : "i");
  if (word.ends_with("sses")) return stem_of(word, "es");
  if (word.ends_with("ss") || !word.ends_with('s')) return word;
  return stem_of(word, "s");
}

// What -ed and -ing have left.
std::string mend(const std::string& stem) {
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + 'e';
  if (ends_in_double_consonant(stem)) {
    const char last = stem.back();
    return last == 'l' || last == 's' || last == 'z' ? stem : stem.substr(0, stem.size() - 1);
  }
  return measure(stem) == 1 && ends_cvc(stem) ? stem + 'e' : stem;
}

std::string step_1b(const std::string& word) {
  if (word.ends_with("ied")) return stem_of(word, "ied") + (word.size() == 4 ? "ie" : "i");
  if (word.ends_with("eed")) return measure(stem_of(word, "eed")) > 0 ? stem_of(word, "d") : word;
  for (const std::string_view suffix : {"ed", "ing"})
    if (word.ends_with(suffix) && contains_vowel(stem_of(word, suffix)))
      return mend(stem_of(word, suffix));
  return word;
}

std::string step_1c(const std::string& word) {
  if (!word.ends_with('y')) return word;
  const std::string stem = stem_of(word, "y");
  return stem.size() > 1 && consonants(stem).back() ? stem + 'i' : word;
}

std::string step_2(const std::string& word) {
  static constexpr SuffixRule rules[] = {{"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},
                                         {"anci", "ance"},   {"izer", "ize"},    {"bli", "ble"},
                                         {"alli", "al"},     {"entli", "ent"},   {"eli", "e"},
                                         {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
                                         {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"},
                                         {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},
                                         {"iviti", "ive"},   {"biliti", "ble"},  {"fulli", "ful"}};
  if (word.ends_with("alli") && measure(stem_of(word, "alli")) > 0)
    return step_2(stem_of(word, "li"));
  const bool has_rule =
      std::ranges::any_of(rules, [&](const auto& rule) { return word.ends_with(rule.suffix); });
  // The l belongs to the stem, so that short ones (geo-, theo-) are long enough.
  if (!has_rule && word.ends_with("logi") && measure(stem_of(word, "ogi")) > 0)
    return stem_of(word, "i");
  return apply_rules(word, rules, 0);
}

std::string step_3(const std::string& word) {
  static constexpr SuffixRule rules[] = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                         {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                         {"ness", ""}};
  return apply_rules(word, rules, 0);
}

std::string step_4(const std::string& word) {
  static constexpr SuffixRule before[] = {{"al", ""},    {"ance", ""}, {"ence", ""}, {"er", ""},
                                          {"ic", ""},    {"able", ""}, {"ible", ""}, {"ant", ""},
                                          {"ement", ""}, {"ment", ""}, {"ent", ""}};
  static constexpr SuffixRule behind[] = {{"ou", ""},  {"ism", ""}, {"ate", ""}, {"iti", ""},
                                          {"ous", ""}, {"ive", ""}, {"ize", ""}};
  if (word.ends_with("ion")) {
    const std::string stem = stem_of(word, "ion");
    return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't') ? stem : word;
  }
  const bool has_rule =
      std::ranges::any_of(before, [&](const auto& rule) { return word.ends_with(rule.suffix); });
  return has_rule ? apply_rules(word, before, 1) : apply_rules(word, behind, 1);
}

std::string step_5(std::string word) {
  if (word.ends_with('e')) {
    const std::string stem = stem_of(word, "e");
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_cvc(stem))) word = stem;
  }
  const std::string shorter = word.substr(0, word.empty() ? 0 : word.size() - 1);
  return word.ends_with("ll") && measure(shorter) > 1 ? shorter : word;
}

}  // namespace

std::string porter_stem(std::string word) {
  static constexpr std::pair<std::string_view, std::string_view> irregular[] = {
      {"sky", "sky"},        {"skies", "sky"},        {"dying", "die"},
      {"lying", "lie"},      {"tying", "tie"},        {"news", "news"},
      {"innings", "inning"}, {"inning", "inning"},    {"outings", "outing"},
      {"outing", "outing"},  {"cannings", "canning"}, {"canning", "canning"},
      {"howe", "howe"},      {"proceed", "proceed"},  {"exceed", "exceed"},
      {"succeed", "succeed"}};
  for (const auto& [form, stem] : irregular)
    if (word == form) return std::string(stem);
  if (word.size() <= 2) return word;
  return step_5(step_4(step_3(step_2(step_1c(step_1b(step_1a(word)))))));
}

}  // namespace llm::detail
