// Questions with windows of their contexts through a model that tells where answers are.
#include "llm/tasks/qa.hpp"

#include <algorithm>
#include <utility>

#include "core/float_environment.hpp"
#include "llm/core/error.hpp"
#include "tasks/answer_spans.hpp"
#include "tasks/require_head.hpp"

namespace llm {
namespace {

using detail::AnswerSpans;
using detail::SpanWindow;

void require(bool good, const char* name, std::int64_t value, const std::string& expected) {
  if (good) return;
  throw Error(ErrorCode::invalid_option,
              std::string(name) + " is " + std::to_string(value) + ", expected " + expected, name);
}

std::optional<std::int64_t> limit_of(const TransformerConfig& config, const Tokenizer& tokenizer) {
  const auto limit = token_limit(config, tokenizer);
  return limit ? std::optional(limit->tokens) : std::nullopt;
}

// As many as the reference reads together, within what the model takes.
std::int64_t sequence_length(const QaOptions& options, std::optional<std::int64_t> limit) {
  constexpr std::int64_t usual = 384;
  if (!options.max_seq_len) return std::min(usual, limit.value_or(usual));
  require(*options.max_seq_len >= 1 && *options.max_seq_len <= limit.value_or(INT64_MAX),
          "max_seq_len", *options.max_seq_len,
          "1 or more" +
              (limit ? ", and no more than the " + std::to_string(*limit) + " that the model takes"
                     : std::string()));
  return *options.max_seq_len;
}

template <typename S>
SpanWindow window_of(const TextTokens& tokens, Range context, TensorView<const S> logits,
                     std::optional<TokenId> cls) {
  SpanWindow window;
  window.tokens = &tokens;
  window.context = context;
  for (std::int64_t i = 0; i < tokens.size(); ++i) {
    const auto row = logits.row(i);
    window.starts.push_back(static_cast<double>(row[0]));
    window.ends.push_back(static_cast<double>(row[1]));
    // The first token of many models stands for "there is no answer".
    window.allowed.push_back((i >= context.begin && i < context.end) ||
                             (cls && tokens.encoding.ids[static_cast<std::size_t>(i)] == *cls));
  }
  return window;
}

}  // namespace

template <typename S>
QuestionAnswerer<S>::QuestionAnswerer(const Model<S>& model, const Tokenizer& tokenizer,
                                      QaOptions options)
    : model_(model),
      options_(options),
      max_seq_len_(sequence_length(options_, limit_of(model.config(), tokenizer))),
      doc_stride_(options_.doc_stride.value_or(std::min<std::int64_t>(max_seq_len_ / 2, 128))),
      cls_(tokenizer.special().cls),
      context_first_(tokenizer.pads_left()),
      encoder_(tokenizer, model.config(), TokenLimit{max_seq_len_, "max_seq_len"},
               {.interrupt = options_.input.interrupt}) {
  detail::require_head(model.config(), HeadKind::question_answering, "qa");
  require(options_.top_k >= 1, "top_k", options_.top_k, "1 or more");
  require(options_.max_answer_len >= 1, "max_answer_len", options_.max_answer_len, "1 or more");
  require(doc_stride_ >= 0 && doc_stride_ <= max_seq_len_, "doc_stride", doc_stride_,
          "0 to max_seq_len, which is " + std::to_string(max_seq_len_));
}

template <typename S>
TextTokens QuestionAnswerer<S>::encode(const Question& question) const {
  constexpr const char *question_name = "the question", *context_name = "the context";
  if (context_first_)
    return encoder_.encode(question.context, question.question, {context_name, question_name});
  return encoder_.encode(question.question, question.context, {question_name, context_name});
}

// Ranges of the context's tokens that fit beside the question.
template <typename S>
std::vector<Range> QuestionAnswerer<S>::windows(const TextTokens& tokens) const {
  const std::int64_t count = context_of(tokens).size();
  if (tokens.size() <= max_seq_len_) return {{0, count}};
  const std::int64_t room = max_seq_len_ - (tokens.size() - count);
  if (room <= doc_stride_)
    throw Error(ErrorCode::context_overflow,
                "the question has " + std::to_string(question_of(tokens).size()) +
                    " tokens, which leaves " + std::to_string(std::max<std::int64_t>(room, 0)) +
                    " of max_seq_len (" + std::to_string(max_seq_len_) +
                    ") for the context, no more than windows share (doc_stride, " +
                    std::to_string(doc_stride_) +
                    "); shorten the question, or change these two numbers");
  std::vector<Range> ranges;
  do {
    const std::int64_t begin = ranges.empty() ? 0 : ranges.back().end - doc_stride_;
    ranges.push_back({begin, std::min(begin + room, count)});
  } while (ranges.back().end < count);
  return ranges;
}

template <typename S>
std::vector<std::vector<Answer>> QuestionAnswerer<S>::answer(
    std::span<const Question> questions) const {
  const detail::FloatEnvironment environment;
  std::vector<TextTokens> inputs;
  std::vector<std::size_t> row_of;  // of each input
  std::vector<AnswerSpans> spans;
  for (std::size_t q = 0; q < questions.size(); ++q) {
    spans.emplace_back(questions[q].context, options_);
    const TextTokens tokens = encode(questions[q]);
    const Range question{0, question_of(tokens).size()};
    for (const Range window : windows(tokens)) {
      check_interrupt(options_.input.interrupt);
      inputs.push_back(context_first_ ? encoder_.cut(tokens, window, question)
                                      : encoder_.cut(tokens, question, window));
      row_of.push_back(q);
    }
  }
  run_head(
      model_, std::span<const TextTokens>(inputs), options_.batch_tokens,
      [&](std::size_t i, TensorView<const S> logits) {
        spans[row_of[i]].add(window_of(inputs[i], context_of(inputs[i]), logits, cls_));
      },
      options_.input.interrupt);
  std::vector<std::vector<Answer>> answers;
  for (AnswerSpans& found : spans) answers.push_back(found.best());
  return answers;
}

template class QuestionAnswerer<float>;
template class QuestionAnswerer<double>;

}  // namespace llm
