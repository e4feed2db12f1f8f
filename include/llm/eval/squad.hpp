/// \file
/// Exact match and F1 of answers, as SQuAD's official script computes them: without case,
/// punctuation, articles and extra spaces. Reference: transformers, data/metrics/squad_metrics.py.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// Lower case, without ASCII punctuation and the words a, an, the; single spaces between words.
std::string normalize_answer(std::string_view text);

/// Whether the prediction equals a reference after normalize_answer(). References that are then
/// empty count only if all are: the right answer is that there is none. Throws Error
/// (invalid_input) when there is no reference.
bool squad_exact_match(std::string_view prediction, std::span<const std::string> references);
/// Harmonic mean of precision and recall of the words, 0 to 1; of several references the best.
/// References and errors as squad_exact_match().
double squad_f1(std::string_view prediction, std::span<const std::string> references);

}  // namespace llm
