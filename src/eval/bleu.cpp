// The tokenizer 13a, counts of n-grams, and the score.
#include "llm/eval/bleu.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "chat/text.hpp"
#include "core/float_environment.hpp"
#include "eval/scored_text.hpp"

namespace llm {
namespace {

constexpr std::size_t most_words = 4;  // in a row

// Up to four words in a row; 0 where there are fewer.
using Gram = std::array<std::uint32_t, most_words>;
using GramCounts = std::map<Gram, std::uint64_t>;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
bool is_point_or_comma(char c) { return c == '.' || c == ','; }

// ASCII punctuation but ' , - . and the space.
bool stands_alone(char c) {
  return (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

std::string with_spaces_around_marks(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (stands_alone(c)) out += ' ';
    out += c;
    if (stands_alone(c)) out += ' ';
  }
  return out;
}

// Each of the following goes over the text from left to right and never looks at a character twice,
// as a regular expression does that replaces pairs of characters.
template <typename First, typename Second>
std::string replace_pairs(const std::string& text, First first, Second second,
                          std::string_view before, std::string_view between,
                          std::string_view behind) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && first(text[i]) && second(text[i + 1])) {
      out.append(before).append(1, text[i]).append(between).append(1, text[i + 1]).append(behind);
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

GramCounts count_grams(const std::vector<std::uint32_t>& words) {
  GramCounts counts;
  for (std::size_t i = 0; i < words.size(); ++i) {
    Gram gram = {};
    for (std::size_t n = 0; n < most_words && i + n < words.size(); ++n) {
      gram[n] = words[i + n];
      ++counts[gram];
    }
  }
  return counts;
}

std::size_t words_in(const Gram& gram) {
  return static_cast<std::size_t>(std::ranges::count_if(gram, [](auto word) { return word != 0; }));
}

// The length nearest to `wanted`, the smaller of two.
std::size_t nearest_length(const std::vector<std::size_t>& lengths, std::size_t wanted) {
  const auto distance = [&](std::size_t length) {
    return std::pair(length > wanted ? length - wanted : wanted - length, length);
  };
  return *std::ranges::min_element(lengths, {}, distance);
}

}  // namespace

std::vector<std::string> bleu_words(std::string_view text) {
  using detail::jinja::Side;
  const std::string valid = detail::scored_text(text);
  std::string line(detail::jinja::strip(valid, Side::right));
  replace_all(line, "<skipped>", "");
  replace_all(line, "-\n", "");
  replace_all(line, "\n", " ");
  replace_all(line, "&quot;", "\"");
  replace_all(line, "&amp;", "&");
  replace_all(line, "&lt;", "<");
  replace_all(line, "&gt;", ">");
  line = with_spaces_around_marks(' ' + line + ' ');
  const auto is_no_digit = [](char c) { return !is_ascii_digit(c); };
  const auto is_dash = [](char c) { return c == '-'; };
  line = replace_pairs(line, is_no_digit, is_point_or_comma, "", " ", " ");
  line = replace_pairs(line, is_point_or_comma, is_no_digit, " ", " ", "");
  line = replace_pairs(line, is_ascii_digit, is_dash, "", " ", " ");
  return detail::jinja::words_of(line);
}

void BleuCounts::add(const BleuCounts& row, std::uint64_t times) {
  prediction_words += times * row.prediction_words;
  reference_words += times * row.reference_words;
  for (std::size_t n = 0; n < most_words; ++n) {
    matches[n] += times * row.matches[n];
    totals[n] += times * row.totals[n];
  }
}

BleuCounts bleu_counts(std::string_view prediction, std::span<const std::string> references) {
  detail::require_reference(references);
  detail::WordNumbers numbers;
  GramCounts wanted;
  std::vector<std::size_t> lengths;
  for (const std::string& reference : references) {
    const auto words = numbers(bleu_words(reference));
    lengths.push_back(words.size());
    for (const auto& [gram, count] : count_grams(words))
      wanted[gram] = std::max(wanted[gram], count);
  }
  const auto words = numbers(bleu_words(prediction));
  BleuCounts counts{.prediction_words = words.size(),
                    .reference_words = nearest_length(lengths, words.size())};
  for (const auto& [gram, count] : count_grams(words)) {
    const std::size_t n = words_in(gram) - 1;
    counts.totals[n] += count;
    if (const auto same = wanted.find(gram); same != wanted.end())
      counts.matches[n] += std::min(count, same->second);
  }
  return counts;
}

BleuScore bleu_score(const BleuCounts& counts) {
  const detail::FloatEnvironment environment;
  BleuScore score;
  const auto predicted = static_cast<double>(counts.prediction_words);
  const auto wanted = static_cast<double>(counts.reference_words);
  score.brevity_penalty = 1.0;
  if (predicted < wanted)
    score.brevity_penalty = predicted > 0 ? std::exp(1.0 - wanted / predicted) : 0.0;
  if (counts.matches == std::array<std::uint64_t, most_words>{}) return score;
  // Where nothing matches, half of the last share that was not counted, and so on.
  double smoothing = 1.0, sum = 0.0;
  bool has_all = true;
  for (std::size_t n = 0; n < most_words && has_all; ++n) {
    const auto total = static_cast<double>(counts.totals[n]);
    has_all = counts.totals[n] > 0;
    if (!has_all) break;
    if (counts.matches[n] == 0) smoothing *= 2;
    score.precisions[n] = counts.matches[n] == 0
                              ? 100.0 / (smoothing * total)
                              : 100.0 * static_cast<double>(counts.matches[n]) / total;
    sum += std::log(score.precisions[n]);
  }
  if (has_all) score.score = score.brevity_penalty * std::exp(sum / most_words);
  return score;
}

}  // namespace llm
