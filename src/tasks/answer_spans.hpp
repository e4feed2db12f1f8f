// From logits of starts and ends to answers: the spans with the highest probabilities, grown to
// whole words, those with the same text brought together. Follows the reference's
// QuestionAnsweringPipeline.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "llm/tasks/qa.hpp"

namespace llm::detail {

// One window: a token's logits, and which tokens an answer may be made of.
struct SpanWindow {
  const TextTokens* tokens = nullptr;
  Range context;                     // of the tokens: where answers are
  std::vector<double> starts, ends;  // logits of all tokens
  std::vector<bool> allowed;         // tokens that take part in the softmax
};

class AnswerSpans {
 public:
  AnswerSpans(std::string_view context, const QaOptions& options)
      : context_(context), options_(options) {}

  void add(SpanWindow window);
  // The best answers of all windows.
  std::vector<Answer> best();

 private:
  struct Span {
    std::int64_t start = 0, end = 0;  // tokens of the window, both included
    double score = 0.0;
  };
  std::vector<Span> top_spans(const SpanWindow& window) const;
  ByteSpan bytes_of(const SpanWindow& window, const Span& span) const;
  void merge(ByteSpan bytes, double score);

  std::string_view context_;
  const QaOptions& options_;
  std::vector<Answer> answers_;
  std::map<std::string, std::size_t> places_;  // of texts in lower case, in answers_
  double no_answer_ = 1e6;                     // lowest score of all windows' first tokens
};

}  // namespace llm::detail
