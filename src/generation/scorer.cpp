// Reads known tokens, several sequences at a time, and looks up their probabilities.
#include "llm/generation/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <utility>

#include "core/float_environment.hpp"
#include "llm/generation/decoding.hpp"
#include "tokenizer/text_input.hpp"

namespace llm {

namespace {

// A beginning that is shorter than this is not worth a step of its own.
constexpr std::size_t least_prefix = 16;

// Most logits of one step: 32 Mi values.
constexpr std::int64_t max_step_logits = std::int64_t{1} << 25;

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// Tokens that a sequence has to read, and what to do with the logits after them.
template <typename S>
struct Reading {
  SequenceState<S>* state = nullptr;
  std::span<const TokenId> ids;
  bool all_logits = false;  // else only those after the last token
  // Called in order with an index into `ids` and the logits after that token.
  std::function<void(std::size_t at, std::span<const S> logits)> look;
  std::size_t done = 0;
};

// Reads all of it, at most `most` tokens at a time.
template <typename S>
void read_all(const LanguageModel<S>& model, std::vector<Reading<S>>& readings, std::size_t most,
              Workspace& workspace) {
  const std::atomic<bool>* const interrupt = workspace.interrupt();
  for (auto first = readings.begin(); first != readings.end();) {
    if (interrupt != nullptr && *interrupt)
      throw Error(ErrorCode::interrupted, "reading a text was interrupted");
    std::vector<StepInput<S>> batch;
    auto last = first;
    for (std::size_t left = most; last != readings.end() && left > 0; ++last) {
      const std::size_t count = std::min(left, last->ids.size() - last->done);
      batch.push_back({last->state, last->ids.subspan(last->done, count), last->all_logits});
      left -= count;
    }
    const TensorView<const S> logits = model.step(batch, workspace);
    std::int64_t row = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Reading<S>& reading = first[static_cast<std::ptrdiff_t>(i)];
      const std::size_t count = batch[i].ids.size();
      reading.done += count;
      if (reading.all_logits) {
        for (std::size_t k = 0; k < count; ++k)
          reading.look(reading.done - count + k, logits.row(row++));
      } else {
        if (reading.done == reading.ids.size()) reading.look(reading.done - 1, logits.row(row));
        ++row;
      }
    }
    while (first != last && first->done == first->ids.size()) ++first;
  }
}

// Notes the probability of the next token of a continuation.
template <typename S>
void count_token(const Continuation& continuation, std::size_t at, std::span<const S> logits,
                 double norm, ContinuationScore& score) {
  if (at < continuation.given) return;
  const TokenId id = continuation.ids[at];
  const double logprob = static_cast<double>(logits[static_cast<std::size_t>(id)]) - norm;
  score.tokens.push_back({id, logprob});
  score.logprob += logprob;
}

Error bad_input(const std::string& sentence) { return Error(ErrorCode::invalid_input, sentence); }

}  // namespace

LengthNormalization length_normalization_from_name(std::string_view name) {
  if (name == "none") return LengthNormalization::none;
  if (name == "tokens") return LengthNormalization::tokens;
  if (name == "bytes") return LengthNormalization::bytes;
  throw Error(
      ErrorCode::invalid_option,
      "there is no length normalization " + quote(name) + "; expected none, tokens or bytes",
      std::string(name));
}

double normalized_logprob(const ContinuationScore& score, std::string_view text,
                          LengthNormalization by) {
  switch (by) {
    case LengthNormalization::none:
      break;
    case LengthNormalization::tokens:
      return score.logprob / static_cast<double>(score.tokens.size());
    case LengthNormalization::bytes:
      return score.logprob / static_cast<double>(text.size());
  }
  return score.logprob;
}

template <typename S>
Scorer<S>::Scorer(const LanguageModel<S>& model, const Tokenizer* tokenizer, ScorerOptions options)
    : model_(model), tokenizer_(tokenizer), options_(options) {
  if (options_.step_tokens < 1)
    throw Error(ErrorCode::invalid_option,
                "step_tokens must be at least 1, got " + std::to_string(options_.step_tokens));
  const std::int64_t most = std::max<std::int64_t>(max_step_logits / model.vocab_size(), 1);
  options_.step_tokens = std::min(options_.step_tokens, most);
}

// What the model takes, or what the caller allows.
template <typename S>
std::int64_t Scorer<S>::most_tokens(std::optional<std::int64_t> model_limit) const {
  const std::int64_t taken = model_limit.value_or(INT64_MAX);
  return std::min(taken, options_.max_input_tokens.value_or(
                             model_limit ? INT64_MAX : default_max_input_tokens));
}

// The tokens of a decoder's text without the special ones that the tokenizer adds at the end: the
// text goes on.
template <typename S>
std::vector<TokenId> Scorer<S>::encode(std::string_view text, const EncodeOptions& options) const {
  detail::check_text_size(text, most_tokens(model_.max_length()), false);
  Encoding encoding = tokenizer_->encode(text, options);
  while (!encoding.ids.empty() && encoding.offsets.back() == ByteSpan{} &&
         encoding.offsets.size() > 1 && tokenizer_->is_special(encoding.ids.back())) {
    encoding.ids.pop_back();
    encoding.offsets.pop_back();
  }
  return std::move(encoding.ids);
}

template <typename S>
ScoreRequest Scorer<S>::request(std::string_view prompt, std::span<const std::string> completions,
                                const EncodeOptions& asked) const {
  if (tokenizer_ == nullptr)
    throw Error(ErrorCode::invalid_option, "there is no tokenizer to read texts; give token ids");
  detail::check_encoded_bytes(prompt, completions.size());
  EncodeOptions options = asked;
  if (options.interrupt == nullptr) options.interrupt = options_.interrupt;
  ScoreRequest request;
  if (model_.is_encoder_decoder()) {
    if (!options_.decoder_start)
      throw Error(ErrorCode::invalid_option,
                  "the first token of the decoder is not known; set decoder_start_token_id",
                  "decoder_start_token_id");
    detail::check_text_size(prompt, most_tokens(model_.max_source_length()), false);
    request.source = tokenizer_->encode(prompt, options).ids;
    request.context = {*options_.decoder_start};
    EncodeOptions target = options;
    target.is_target = true;
    for (const std::string& text : completions) {
      detail::check_text_size(text, most_tokens(model_.max_length()), false);
      request.continuations.push_back({tokenizer_->encode(text, target).ids, 0});
    }
    return request;
  }
  request.context = encode(prompt, options);
  std::size_t common = request.context.size();
  std::vector<std::size_t> shared;  // tokens of each whole text that the prompt has too
  for (const std::string& text : completions) {
    request.continuations.push_back({encode(std::string(prompt) + text, options), 0});
    const auto& ids = request.continuations.back().ids;
    shared.push_back(common_prefix(request.context, ids));
    common = std::min(common, shared.back());
    if (shared.back() == ids.size())
      throw bad_input("the completion " + quote(text) + " adds no token to its prompt");
  }
  if (common == 0)
    throw bad_input(
        "there is no token before the completion that its first token could follow; give a prompt");
  request.context.resize(common);
  for (std::size_t i = 0; i < shared.size(); ++i) {
    auto& [ids, given] = request.continuations[i];
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(common));
    given = shared[i] - common;
  }
  return request;
}

// Throws what makes a request impossible, before it is computed with others.
template <typename S>
void Scorer<S>::check(const ScoreRequest& request) const {
  const auto check_ids = [](std::span<const TokenId> ids, std::int64_t vocabulary) {
    for (const TokenId id : ids)
      if (id < 0 || id >= vocabulary)
        throw bad_input("the token id " + std::to_string(id) +
                        " is not in the model's vocabulary of " + std::to_string(vocabulary));
  };
  const auto check_length = [this](const char* what, std::size_t size,
                                   std::optional<std::int64_t> taken) {
    const std::int64_t most = most_tokens(taken);
    if (static_cast<std::int64_t>(size) <= most) return;
    throw Error(ErrorCode::context_overflow,
                std::string(what) + " " + std::to_string(size) + " tokens, but " +
                    (most < taken.value_or(INT64_MAX) ? "max_input_tokens is "
                                                      : "the model takes at most ") +
                    std::to_string(most) + "; shorten it");
  };
  if (request.source.empty() == model_.is_encoder_decoder())
    throw bad_input(model_.is_encoder_decoder() ? "the prompt is empty; the encoder needs a token"
                                                : "a decoder has no source");
  if (request.context.empty()) throw bad_input("the context is empty; give at least one token");
  check_ids(request.source, model_.source_vocab_size());
  check_ids(request.context, model_.vocab_size());
  check_length("the prompt has", request.source.size(), model_.max_source_length());
  for (const Continuation& continuation : request.continuations) {
    if (continuation.ids.size() <= continuation.given)
      throw bad_input("a completion has no tokens to score");
    check_ids(continuation.ids, model_.vocab_size());
    check_length("prompt and completion have", request.context.size() + continuation.ids.size() - 1,
                 model_.max_length());
  }
}

template <typename S>
KeptSequence<S> Scorer<S>::read(std::span<const TokenId> ids) const {
  const detail::FloatEnvironment environment;
  Workspace workspace;
  workspace.set_interrupt(options_.interrupt);
  const std::span<const TokenId> no_source;
  KeptSequence<S> kept{{ids.begin(), ids.end()}, {}};
  kept.state = std::move(model_.start({&no_source, 1}, workspace)[0]);
  std::vector<Reading<S>> readings;
  if (!ids.empty()) readings.push_back({kept.state.get(), ids, false, [](auto...) {}});
  read_all(model_, readings, static_cast<std::size_t>(options_.step_tokens), workspace);
  return kept;
}

// A sequence for each good request; for a decoder it has what the request shares with `prefix`.
template <typename S>
typename Scorer<S>::States Scorer<S>::open(std::span<const ScoreRequest> requests,
                                           const std::vector<ScoreResult>& results,
                                           const KeptSequence<S>* prefix,
                                           Workspace& workspace) const {
  States states(requests.size());
  std::vector<std::span<const TokenId>> sources;
  std::vector<std::size_t> fresh;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (results[i].error) continue;
    // The last token of a context must be read to get logits.
    const auto context = std::span(requests[i].context).first(requests[i].context.size() - 1);
    const std::size_t known =
        prefix && prefix->state ? common_prefix(prefix->ids, context) : std::size_t{0};
    if (known > 0) {
      states[i] = prefix->state->fork();
      states[i]->truncate(static_cast<std::int64_t>(known));
    } else {
      fresh.push_back(i);
      sources.emplace_back(requests[i].source);
    }
  }
  if (fresh.empty()) return states;
  auto opened = model_.start(sources, workspace);
  for (std::size_t k = 0; k < fresh.size(); ++k) states[fresh[k]] = std::move(opened[k]);
  return states;
}

// Checks all requests, makes room for their results, and returns the beginning that all good
// contexts share.
template <typename S>
std::span<const TokenId> Scorer<S>::prepare(std::span<const ScoreRequest> requests,
                                            std::vector<ScoreResult>& results) const {
  std::optional<std::span<const TokenId>> shared;
  std::size_t good = 0;
  for (const ScoreRequest& request : requests) {
    ScoreResult& result = results.emplace_back();
    try {
      check(request);
      const std::span<const TokenId> context(request.context);
      shared = shared ? shared->first(common_prefix(*shared, context)) : context;
      result.continuations.resize(request.continuations.size());
      ++good;
    } catch (const Error& error) {
      result.error = RowError{error.code(), error.what()};
    }
  }
  return good > 1 ? *shared : std::span<const TokenId>();
}

template <typename S>
void Scorer<S>::read_contexts(std::span<const ScoreRequest> requests, const States& states,
                              std::vector<ScoreResult>& results, Workspace& workspace) const {
  std::vector<Reading<S>> readings;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (results[i].error) continue;
    const auto look = [&request = requests[i], &result = results[i]](std::size_t,
                                                                     std::span<const S> logits) {
      const double norm = detail::checked_norm(logits);
      for (std::size_t k = 0; k < request.continuations.size(); ++k)
        count_token(request.continuations[k], 0, logits, norm, result.continuations[k]);
    };
    const auto known = static_cast<std::size_t>(states[i]->length());
    readings.push_back(
        {states[i].get(), std::span(requests[i].context).subspan(known), false, look});
  }
  read_all(model_, readings, static_cast<std::size_t>(options_.step_tokens), workspace);
}

// Reads all but the last token of each continuation, in a sequence of its own.
template <typename S>
void Scorer<S>::read_continuations(std::span<const ScoreRequest> requests, const States& states,
                                   std::vector<ScoreResult>& results, Workspace& workspace) const {
  std::vector<Reading<S>> readings;
  States forks;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    for (std::size_t k = 0; k < results[i].continuations.size(); ++k) {
      const Continuation& continuation = requests[i].continuations[k];
      if (continuation.ids.size() < 2) continue;
      const auto look = [&continuation, &score = results[i].continuations[k]](
                            std::size_t at, std::span<const S> logits) {
        if (at + 1 >= continuation.given)
          count_token(continuation, at + 1, logits, detail::checked_norm(logits), score);
      };
      forks.push_back(states[i]->fork());
      readings.push_back({forks.back().get(),
                          std::span(continuation.ids).first(continuation.ids.size() - 1), true,
                          look});
    }
  }
  read_all(model_, readings, static_cast<std::size_t>(options_.step_tokens), workspace);
}

template <typename S>
std::vector<ScoreResult> Scorer<S>::score(std::span<const ScoreRequest> requests,
                                          const KeptSequence<S>* prefix) const {
  const detail::FloatEnvironment environment;
  std::vector<ScoreResult> results;
  const std::span<const TokenId> shared = prepare(requests, results);
  const std::size_t known = prefix ? common_prefix(prefix->ids, shared) : 0;
  KeptSequence<S> own;
  if (!model_.is_encoder_decoder() && shared.size() >= known + least_prefix) {
    own = read(shared);
    prefix = &own;
  }
  Workspace workspace;
  workspace.set_interrupt(options_.interrupt);
  const States states = open(requests, results, prefix, workspace);
  read_contexts(requests, states, results, workspace);
  read_continuations(requests, states, results, workspace);
  return results;
}

template <typename S>
Perplexity Scorer<S>::perplexity(std::span<const TokenId> ids, std::int64_t window,
                                 std::int64_t stride) const {
  const detail::FloatEnvironment environment;
  if (model_.is_encoder_decoder())
    throw Error(ErrorCode::invalid_option,
                "perplexity of a text is that of a decoder; this model is an encoder-decoder");
  if (window < 2 || stride < 1 || stride > window)
    throw Error(ErrorCode::invalid_option,
                "expected a window of at least 2 tokens and a stride from 1 to the window, got " +
                    std::to_string(window) + " and " + std::to_string(stride),
                "stride");
  if (ids.size() < 2)
    throw bad_input("the text has " + std::to_string(ids.size()) +
                    " tokens; perplexity needs at least two");
  Perplexity result;
  double nll_sum = 0;
  const auto size = static_cast<std::int64_t>(ids.size());
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return std::vector<TokenId>(ids.begin() + begin, ids.begin() + end);
  };
  for (std::int64_t begin = 0, scored = 0; scored < size; begin += stride) {
    const std::int64_t end = std::min(begin + window, size);
    // The first token of a window has no probability, and no window counts its last new token.
    const std::int64_t from = std::max(scored, begin + 1);
    const std::int64_t counted = end - scored - 1;
    scored = end;
    if (counted == 0) continue;
    const ScoreRequest request{{}, part(begin, from), {{part(from, end), 0}}};
    const ScoreResult scores = std::move(score({&request, 1})[0]);
    if (scores.error) throw Error(scores.error->code, scores.error->message);
    nll_sum -= scores.continuations[0].logprob / static_cast<double>(end - from) *
               static_cast<double>(counted);
    result.tokens += counted;
    ++result.windows;
  }
  result.nll = nll_sum / static_cast<double>(result.tokens);
  result.value = std::exp(result.nll);
  return result;
}

template class Scorer<float>;
template class Scorer<double>;

}  // namespace llm
