#include "tasks/answer_spans.hpp"

#include <algorithm>
#include <limits>

#include "chat/text.hpp"
#include "tasks/softmax.hpp"

namespace llm::detail {
namespace {

// Probabilities of the tokens that are allowed; the others have none.
void probabilities(std::vector<double>& values, const std::vector<bool>& allowed) {
  if (std::ranges::count(allowed, true) == 0) {
    std::ranges::fill(values, 0.0);
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!allowed[i]) values[i] = -std::numeric_limits<double>::infinity();
  softmax(values);
}

}  // namespace

void AnswerSpans::add(SpanWindow window) {
  probabilities(window.starts, window.allowed);
  probabilities(window.ends, window.allowed);
  no_answer_ = std::min(no_answer_, window.starts[0] * window.ends[0]);
  window.starts[0] = window.ends[0] = 0.0;
  for (const Span& span : top_spans(window)) merge(bytes_of(window, span), span.score);
}

// Some of them become the same when they are grown to words, so there are more than are asked for.
// Spans without any probability are none: the reference has some of them, in no certain order, when
// a window has too few others.
std::vector<AnswerSpans::Span> AnswerSpans::top_spans(const SpanWindow& window) const {
  const Range context = window.context;
  std::vector<Span> spans;
  for (std::int64_t s = context.begin; s < context.end; ++s) {
    const std::int64_t last = std::min(context.end, s + options_.max_answer_len);
    for (std::int64_t e = s; e < last; ++e) {
      const double score =
          window.starts[static_cast<std::size_t>(s)] * window.ends[static_cast<std::size_t>(e)];
      if (score > 0.0) spans.push_back({s, e, score});
    }
  }
  const auto wanted =
      static_cast<std::size_t>(options_.align_to_words ? options_.top_k * 2 + 10 : options_.top_k);
  const auto count = static_cast<std::ptrdiff_t>(std::min(wanted, spans.size()));
  std::partial_sort(spans.begin(), spans.begin() + count, spans.end(),
                    [](const Span& a, const Span& b) {
                      if (a.score != b.score) return a.score > b.score;
                      return a.start != b.start ? a.start < b.start : a.end < b.end;
                    });
  spans.resize(static_cast<std::size_t>(count));
  return spans;
}

ByteSpan AnswerSpans::bytes_of(const SpanWindow& window, const Span& span) const {
  const Encoding& encoding = window.tokens->encoding;
  const auto& words = encoding.words;
  std::int64_t first = span.start, last = span.end;
  if (options_.align_to_words && !words.empty()) {
    const auto same = [&](std::int64_t a, std::int64_t b) {
      return words[static_cast<std::size_t>(a)] == words[static_cast<std::size_t>(b)];
    };
    while (first > window.context.begin && same(first - 1, span.start)) --first;
    while (last + 1 < window.context.end && same(last + 1, span.end)) ++last;
  }
  const auto& offsets = encoding.offsets;
  return {offsets[static_cast<std::size_t>(first)].begin,
          offsets[static_cast<std::size_t>(last)].end};
}

void AnswerSpans::merge(ByteSpan bytes, double score) {
  const auto text = bytes.begin < bytes.end ? context_.substr(bytes.begin, bytes.end - bytes.begin)
                                            : std::string_view();
  const auto [known, is_new] = places_.try_emplace(jinja::lowered(text), answers_.size());
  if (is_new) {
    answers_.push_back({std::string(text), score, {.bytes = bytes}});
  } else {
    answers_[known->second].score += score;
  }
}

std::vector<Answer> AnswerSpans::best() {
  if (options_.handle_impossible_answer) answers_.push_back({"", no_answer_, {}});
  std::ranges::stable_sort(answers_, std::ranges::greater(), &Answer::score);
  const auto most = static_cast<std::size_t>(options_.top_k);
  if (answers_.size() > most) answers_.resize(most);
  // Characters are counted from the beginning of the context: for the few that are wanted.
  for (Answer& answer : answers_) answer.span = text_span(context_, answer.span.bytes);
  return std::move(answers_);
}

}  // namespace llm::detail
