/// \file
/// Exact match and F1 of answers as SQuAD's official script scores them: words without case,
/// punctuation, articles and superfluous spaces.
/// Reference: transformers, data/metrics/squad_metrics.py.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Lower case, without ASCII punctuation and the words a, an, the; single spaces between words.
std::string normalize_answer(std::string_view text);

/// Scores of a prediction; of several references the best. References that are empty when
/// normalized only count where all are: then the right answer is none. Throw Error (invalid_input)
/// when there is no reference.
bool squad_exact_match(std::string_view prediction, std::span<const std::string> references);
/// Harmonic mean of precision and recall of the words, 0 to 1.
double squad_f1(std::string_view prediction, std::span<const std::string> references);

}  // namespace llm
