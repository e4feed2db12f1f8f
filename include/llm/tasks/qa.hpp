/// \file
/// Answers to questions, as parts of a text that is read with the question, by a model that tells
/// where answers begin and end:
///   question, context -> windows of tokens -> start and end logits -> spans -> words -> answers
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_span.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// Names and defaults are those of the reference's QuestionAnsweringPipeline.
struct QaOptions {
  std::int64_t top_k = 1;                 ///< answers, the best first; fewer when there are no more
  std::int64_t max_answer_len = 15;       ///< tokens
  bool handle_impossible_answer = false;  ///< that there is no answer is an answer, too: ""
  /// Answers are whole words, as far as the tokenizer knows words.
  bool align_to_words = true;
  /// Tokens of question, context and special tokens that are read together; default: 384, or as
  /// many as the model takes.
  std::optional<std::int64_t> max_seq_len = {};
  /// Tokens that windows of a longer context share; default: 128, or half of max_seq_len.
  std::optional<std::int64_t> doc_stride = {};
  std::int64_t batch_tokens = default_batch_tokens;  ///< tokens computed together
  InputOptions input = {};                           ///< what bounds the work on a text
};

/// A question and the text that has the answer.
struct Question {
  std::string question;  ///< at least one word
  std::string context;   ///< at least one word
};

/// A part of the context that answers.
struct Answer {
  std::string answer;  ///< the context's own text; empty: there is none
  /// Probability of the span; spans with the same text, and those of several windows, are added up.
  double score = 0.0;
  TextSpan span;  ///< in the context
};

/// Reads the question before the context, or behind it where the tokenizer pads on the left, as the
/// reference does. Only the context has answers; the reference, whose mask of the other order is
/// wrong, then takes the question's tokens for answers, too. Immutable; refers to model and
/// tokenizer. Any number of threads may use one.
template <typename S>
class QuestionAnswerer {
 public:
  /// Throws Error: unsupported for a model without a head that tells where answers are,
  /// invalid_option for a number out of its range.
  QuestionAnswerer(const Model<S>& model, const Tokenizer& tokenizer, QaOptions options = {});

  /// The answers to each question in order. They do not depend on the other questions. Throws
  /// Error: invalid_input for texts without words, context_overflow when a question leaves no room
  /// for its context.
  std::vector<std::vector<Answer>> answer(std::span<const Question> questions) const;

  /// QaOptions::max_seq_len, or its default.
  std::int64_t max_seq_len() const { return max_seq_len_; }

 private:
  TextTokens encode(const Question& question) const;
  Range context_of(const TextTokens& tokens) const {
    return context_first_ ? tokens.first : tokens.second;
  }
  Range question_of(const TextTokens& tokens) const {
    return context_first_ ? tokens.second : tokens.first;
  }
  std::vector<Range> windows(const TextTokens& tokens) const;

  const Model<S>& model_;
  QaOptions options_;
  std::int64_t max_seq_len_;
  std::int64_t doc_stride_;
  std::optional<TokenId> cls_;
  bool context_first_ = false;  // as models are asked whose tokenizer pads on the left
  TextEncoder encoder_;
};

extern template class QuestionAnswerer<float>;
extern template class QuestionAnswerer<double>;

}  // namespace llm
