// SQuAD's normalization, and the two scores that rest on it.
#include "llm/eval/squad.hpp"

#include <algorithm>
#include <cstddef>

#include "chat/text.hpp"
#include "core/float_environment.hpp"
#include "eval/scored_text.hpp"

namespace llm {
namespace {

using Words = std::vector<std::string>;

// \w of the script's regular expressions.
bool is_word_character(char32_t c) { return detail::is_letter(c) || detail::is_numeric(c); }

// Runs of word characters that are an article become a space.
std::u32string without_articles(const std::u32string& text) {
  std::u32string out;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_word_character(text[at])) {
      out += text[at++];
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && is_word_character(text[at])) ++at;
    const std::u32string word = text.substr(begin, at - begin);
    out += word == U"a" || word == U"an" || word == U"the" ? U" " : word;
  }
  return out;
}

Words answer_words(std::string_view text) {
  std::string lower = detail::jinja::lowered(detail::scored_text(text));
  std::erase_if(lower, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x80 && detail::is_punctuation(byte);
  });
  const std::u32string kept = without_articles(detail::jinja::decode(lower));
  return detail::jinja::words_of(detail::jinja::encode(kept));
}

// The words of the references that say something; an empty one where none does.
std::vector<Words> gold_words(std::span<const std::string> references) {
  detail::require_reference(references);
  std::vector<Words> gold;
  for (const std::string& reference : references)
    if (Words words = answer_words(reference); !words.empty()) gold.push_back(std::move(words));
  if (gold.empty()) gold.emplace_back();
  return gold;
}

// Words that both have, as often as both have them; both sorted. The longer one is not gone
// through: it may be compared with very many.
std::size_t count_common(const Words& some, const Words& more) {
  if (some.size() > more.size()) return count_common(more, some);
  std::size_t common = 0;
  for (auto word = some.begin(); word != some.end();) {
    const auto end = std::upper_bound(word, some.end(), *word);
    const auto [first, last] = std::equal_range(more.begin(), more.end(), *word);
    common += static_cast<std::size_t>(std::min(end - word, last - first));
    word = end;
  }
  return common;
}

// Both sorted.
double words_f1(const Words& prediction, const Words& reference) {
  if (prediction.empty() || reference.empty()) return prediction == reference ? 1.0 : 0.0;
  const std::size_t common = count_common(prediction, reference);
  if (common == 0) return 0.0;
  const auto same = static_cast<double>(common);
  const double precision = same / static_cast<double>(prediction.size());
  const double recall = same / static_cast<double>(reference.size());
  return 2 * precision * recall / (precision + recall);
}

}  // namespace

std::string normalize_answer(std::string_view text) {
  std::string joined;
  for (const std::string& word : answer_words(text)) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

bool squad_exact_match(std::string_view prediction, std::span<const std::string> references) {
  const std::vector<Words> gold = gold_words(references);
  return std::ranges::find(gold, answer_words(prediction)) != gold.end();
}

double squad_f1(std::string_view prediction, std::span<const std::string> references) {
  const detail::FloatEnvironment environment;
  Words words = answer_words(prediction);
  std::ranges::sort(words);
  double best = 0.0;
  for (Words& reference : gold_words(references)) {
    std::ranges::sort(reference);
    best = std::max(best, words_f1(words, reference));
  }
  return best;
}

}  // namespace llm
