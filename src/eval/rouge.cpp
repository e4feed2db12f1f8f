// Words of ROUGE, common n-grams, and longest common subsequences.
#include "llm/eval/rouge.hpp"

#include <algorithm>
#include <iterator>

#include "chat/text.hpp"
#include "core/float_environment.hpp"
#include "eval/porter_stemmer.hpp"
#include "eval/scored_text.hpp"
#include "llm/core/error.hpp"

namespace llm {
namespace {

using Numbers = std::vector<std::uint32_t>;

RougeScore rouge_score(std::size_t hits, std::size_t predicted, std::size_t wanted) {
  RougeScore score;
  score.precision =
      static_cast<double>(hits) / static_cast<double>(std::max<std::size_t>(predicted, 1));
  score.recall = static_cast<double>(hits) / static_cast<double>(std::max<std::size_t>(wanted, 1));
  const double sum = score.precision + score.recall;
  score.fmeasure = sum > 0 ? 2 * score.precision * score.recall / sum : 0.0;
  return score;
}

// All n words in a row, sorted.
std::vector<std::uint64_t> sorted_grams(const Numbers& words, std::size_t n) {
  std::vector<std::uint64_t> grams;
  for (std::size_t i = 0; i + n <= words.size(); ++i)
    grams.push_back(n == 1 ? words[i] : std::uint64_t{words[i]} << 32 | words[i + 1]);
  std::ranges::sort(grams);
  return grams;
}

RougeScore score_grams(const Numbers& prediction, const Numbers& reference, std::size_t n) {
  const auto predicted = sorted_grams(prediction, n), wanted = sorted_grams(reference, n);
  std::vector<std::uint64_t> common;
  std::ranges::set_intersection(predicted, wanted, std::back_inserter(common));
  return rouge_score(common.size(), predicted.size(), wanted.size());
}

// Which of two steps back is on the way of a longest common subsequence of the first i words of one
// text and the first j of another; filled row by row.
class CommonSubsequence {
 public:
  CommonSubsequence(const Numbers& reference, const Numbers& prediction)
      : reference_(reference),
        prediction_(prediction),
        to_left_((reference.size() + 1) * (prediction.size() + 1)) {
    std::vector<std::uint32_t> above(prediction.size() + 1), row(prediction.size() + 1);
    for (std::size_t i = 1; i <= reference.size(); ++i) {
      for (std::size_t j = 1; j <= prediction.size(); ++j) {
        const bool same = reference[i - 1] == prediction[j - 1];
        row[j] = same ? above[j - 1] + 1 : std::max(above[j], row[j - 1]);
        to_left_[place(i, j)] = row[j - 1] > above[j];
      }
      std::swap(above, row);
    }
  }

  // Marks the words of the reference that are in it.
  void mark(std::vector<bool>& found) const {
    std::size_t i = reference_.size(), j = prediction_.size();
    while (i > 0 && j > 0) {
      if (reference_[i - 1] == prediction_[j - 1]) {
        found[--i] = true;
        --j;
      } else if (to_left_[place(i, j)]) {
        --j;
      } else {
        --i;
      }
    }
  }

 private:
  std::size_t place(std::size_t i, std::size_t j) const { return i * (prediction_.size() + 1) + j; }

  const Numbers& reference_;
  const Numbers& prediction_;
  std::vector<bool> to_left_;
};

RougeScore score_subsequence(const Numbers& prediction, const Numbers& reference) {
  std::vector<std::size_t> above(prediction.size() + 1), row(prediction.size() + 1);
  for (const std::uint32_t word : reference) {
    for (std::size_t j = 1; j <= prediction.size(); ++j)
      row[j] = word == prediction[j - 1] ? above[j - 1] + 1 : std::max(above[j], row[j - 1]);
    std::swap(above, row);
  }
  return rouge_score(above.back(), prediction.size(), reference.size());
}

// A text whose lines are sentences.
struct Sentences {
  std::vector<Numbers> lines;
  std::size_t words = 0;

  std::vector<std::size_t> counts(std::size_t end) const {
    std::vector<std::size_t> counts(end);
    for (const Numbers& line : lines)
      for (const std::uint32_t word : line) ++counts[word];
    return counts;
  }
};

Sentences sentences_of(const std::string& text, bool use_stemmer, detail::WordNumbers& numbers) {
  Sentences sentences;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const auto words = rouge_words(std::string_view(text).substr(begin, end - begin), use_stemmer);
    sentences.lines.push_back(numbers(words));
    sentences.words += words.size();
    begin = end + 1;
  }
  return sentences;
}

// Section 3.2 of the paper. A word counts no more often than either text has it.
RougeScore score_sentences(const Sentences& prediction, const Sentences& reference,
                           std::size_t end) {
  if (prediction.words == 0 || reference.words == 0) return {};
  std::vector<std::size_t> of_prediction = prediction.counts(end);
  std::vector<std::size_t> of_reference = reference.counts(end);
  std::size_t hits = 0;
  for (const Numbers& line : reference.lines) {
    std::vector<bool> found(line.size());
    for (const Numbers& other : prediction.lines) CommonSubsequence(line, other).mark(found);
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (!found[i] || of_prediction[line[i]] == 0 || of_reference[line[i]] == 0) continue;
      ++hits;
      --of_prediction[line[i]];
      --of_reference[line[i]];
    }
  }
  return rouge_score(hits, prediction.words, reference.words);
}

// One text in the forms that the types need.
struct RougeText {
  RougeText(const std::string& text, bool use_stemmer, detail::WordNumbers& numbers)
      : words(numbers(rouge_words(text, use_stemmer))),
        sentences(sentences_of(text, use_stemmer, numbers)) {}
  Numbers words;
  Sentences sentences;
};

void require_short(std::string_view prediction, std::span<const std::string> references) {
  std::size_t bytes = 0;
  for (const std::string& reference : references)
    bytes += std::max<std::size_t>(reference.size(), 1);
  if (prediction.empty() || bytes <= RougeScorer::max_bytes / prediction.size()) return;
  throw Error(ErrorCode::invalid_input,
              "a prediction of " + std::to_string(prediction.size()) + " bytes and references of " +
                  std::to_string(bytes) +
                  " bytes are too long for ROUGE, which compares every word with every word; "
                  "shorten them, or leave ROUGE out");
}

RougeScore score_type(RougeType type, const RougeText& prediction, const RougeText& reference,
                      std::size_t end) {
  switch (type) {
    case RougeType::rouge1:
      return score_grams(prediction.words, reference.words, 1);
    case RougeType::rouge2:
      return score_grams(prediction.words, reference.words, 2);
    case RougeType::rouge_l:
      return score_subsequence(prediction.words, reference.words);
    case RougeType::rouge_lsum:
      return score_sentences(prediction.sentences, reference.sentences, end);
  }
  return {};
}

}  // namespace

std::vector<std::string> rouge_words(std::string_view text, bool use_stemmer) {
  const std::string lower = detail::jinja::lowered(detail::scored_text(text));
  const auto counts = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  std::vector<std::string> words;
  for (auto at = lower.begin(); (at = std::find_if(at, lower.end(), counts)) != lower.end();) {
    const auto end = std::find_if_not(at, lower.end(), counts);
    std::string word(at, end);
    if (use_stemmer && word.size() > 3) word = detail::porter_stem(std::move(word));
    words.push_back(std::move(word));
    at = end;
  }
  return words;
}

std::vector<RougeScore> RougeScorer::score(std::string_view prediction,
                                           std::span<const std::string> references) const {
  const detail::FloatEnvironment environment;
  detail::require_reference(references);
  if (types_.empty()) return {};
  require_short(prediction, references);
  detail::WordNumbers numbers;
  const RougeText predicted(detail::scored_text(prediction), use_stemmer_, numbers);
  std::vector<RougeScore> best(types_.size());
  for (std::size_t r = 0; r < references.size(); ++r) {
    const RougeText wanted(detail::scored_text(references[r]), use_stemmer_, numbers);
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const RougeScore score = score_type(types_[i], predicted, wanted, numbers.end());
      if (r == 0 || score.fmeasure > best[i].fmeasure) best[i] = score;
    }
  }
  return best;
}

}  // namespace llm
