/// \file
/// The logits processors, each a few lines that say what its option means. make_processors() puts
/// them in order. Tests compare them with the reference's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "llm/generation/logits_processor.hpp"
#include "llm/generation/scores.hpp"

namespace llm {

namespace detail {

/// Bans a token; ids outside the vocabulary cannot be generated anyway.
template <typename S>
void ban(std::span<S> scores, TokenId id) {
  if (id >= 0 && static_cast<std::size_t>(id) < scores.size()) {
    scores[static_cast<std::size_t>(id)] = minus_infinity<S>;
  }
}

template <typename S>
void ban_all(std::span<S> scores, std::span<const TokenId> ids) {
  for (const TokenId id : ids) ban(scores, id);
}

/// Leaves only `ids`, with score 0.
template <typename S>
void force(std::span<S> scores, std::span<const TokenId> ids) {
  std::fill(scores.begin(), scores.end(), minus_infinity<S>);
  for (const TokenId id : ids) {
    if (id >= 0 && static_cast<std::size_t>(id) < scores.size()) {
      scores[static_cast<std::size_t>(id)] = S(0);
    }
  }
}

/// Makes every token of `ids` less likely by `penalty` (above 1), once however often it occurs.
template <typename S>
void penalize(std::span<S> scores, std::span<const TokenId> ids, double penalty) {
  std::vector<bool> seen(scores.size());
  const S factor = static_cast<S>(penalty);
  for (const TokenId id : ids) {
    const auto i = static_cast<std::size_t>(id);
    if (id < 0 || i >= scores.size() || seen[i]) continue;
    seen[i] = true;
    scores[i] = scores[i] < S(0) ? scores[i] * factor : scores[i] / factor;
  }
}

/// Bans each token that follows the last `size - 1` tokens of `ids` anywhere in `text`.
template <typename S>
void ban_ngrams(std::span<S> scores, std::span<const TokenId> ids, std::span<const TokenId> text,
                std::int64_t size) {
  const auto n = static_cast<std::size_t>(size);
  if (ids.size() + 1 < n || text.size() < n) return;
  const auto prefix = ids.last(n - 1);
  for (std::size_t at = 0; at + n <= text.size(); ++at) {
    if (std::equal(prefix.begin(), prefix.end(), text.begin() + static_cast<std::ptrdiff_t>(at))) {
      ban(scores, text[at + n - 1]);
    }
  }
}

}  // namespace detail

/// Tokens of the sequence become less likely: positive scores are divided by the penalty, negative
/// ones multiplied.
template <typename S>
class RepetitionPenalty final : public LogitsProcessor<S> {
 public:
  /// `penalty` > 0; above 1 repeats less.
  explicit RepetitionPenalty(double penalty) : penalty_(penalty) {}
  std::string_view name() const override { return "repetition_penalty"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    detail::penalize(scores, sequence.ids, penalty_);
  }

 private:
  double penalty_;
};

/// Tokens of the source become more likely: RepetitionPenalty with 1 / penalty.
template <typename S>
class EncoderRepetitionPenalty final : public LogitsProcessor<S> {
 public:
  /// `penalty` > 0; above 1 keeps nearer to the source.
  explicit EncoderRepetitionPenalty(double penalty) : penalty_(1.0 / penalty) {}
  std::string_view name() const override { return "encoder_repetition_penalty"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    detail::penalize(scores, sequence.source, penalty_);
  }

 private:
  double penalty_;
};

/// No sequence of `size` tokens occurs twice.
template <typename S>
class NoRepeatNgram final : public LogitsProcessor<S> {
 public:
  /// `size`: tokens of an n-gram, at least 1.
  explicit NoRepeatNgram(std::int64_t size) : size_(size) {}
  std::string_view name() const override { return "no_repeat_ngram_size"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    detail::ban_ngrams(scores, sequence.ids, sequence.ids, size_);
  }

 private:
  std::int64_t size_;
};

/// No sequence of `size` tokens of the source is repeated.
template <typename S>
class EncoderNoRepeatNgram final : public LogitsProcessor<S> {
 public:
  /// `size`: tokens of an n-gram, at least 1.
  explicit EncoderNoRepeatNgram(std::int64_t size) : size_(size) {}
  std::string_view name() const override { return "encoder_no_repeat_ngram_size"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    detail::ban_ngrams(scores, sequence.ids, sequence.source, size_);
  }

 private:
  std::int64_t size_;
};

/// Bans the last token of a word where the sequence ends in the word's other tokens. A word that is
/// only an eos token is left out.
template <typename S>
class BadWords final : public LogitsProcessor<S> {
 public:
  /// `words`: each a sequence of tokens; `eos`: the tokens that end a sequence.
  BadWords(std::vector<std::vector<TokenId>> words, std::span<const TokenId> eos)
      : words_(std::move(words)) {
    std::erase_if(words_, [&](const std::vector<TokenId>& word) {
      return word.empty() || (word.size() == 1 && std::ranges::count(eos, word[0]) > 0);
    });
  }
  std::string_view name() const override { return "bad_words_ids"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    for (const auto& word : words_) {
      const auto before = std::span(word).first(word.size() - 1);
      if (before.size() <= sequence.ids.size() &&
          std::ranges::equal(before, sequence.ids.last(before.size()))) {
        detail::ban(scores, word.back());
      }
    }
  }

 private:
  std::vector<std::vector<TokenId>> words_;
};

/// No eos while the sequence, prompt included, is shorter than min_length.
template <typename S>
class MinLength final : public LogitsProcessor<S> {
 public:
  /// `length` in tokens; `eos`: the tokens to ban before it is reached.
  MinLength(std::int64_t length, std::vector<TokenId> eos)
      : length_(length), eos_(std::move(eos)) {}
  std::string_view name() const override { return "min_length"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    if (sequence.length() < length_) detail::ban_all(scores, std::span<const TokenId>(eos_));
  }

 private:
  std::int64_t length_;
  std::vector<TokenId> eos_;
};

/// No eos among the first min_new_tokens.
template <typename S>
class MinNewTokens final : public LogitsProcessor<S> {
 public:
  /// `count` in tokens; `eos`: the tokens to ban before it is reached.
  MinNewTokens(std::int64_t count, std::vector<TokenId> eos)
      : count_(count), eos_(std::move(eos)) {}
  std::string_view name() const override { return "min_new_tokens"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    if (sequence.length() - sequence.prompt_length < count_) {
      detail::ban_all(scores, std::span<const TokenId>(eos_));
    }
  }

 private:
  std::int64_t count_;
  std::vector<TokenId> eos_;
};

/// Forces the token after a sequence of length 1 (the decoder start).
template <typename S>
class ForcedBos final : public LogitsProcessor<S> {
 public:
  /// `id`: the only token that is then allowed.
  explicit ForcedBos(TokenId id) : id_(id) {}
  std::string_view name() const override { return "forced_bos_token_id"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    if (sequence.length() == 1) detail::force(scores, std::span<const TokenId>(&id_, 1));
  }

 private:
  TokenId id_;
};

/// Forces the last token before max_length.
template <typename S>
class ForcedEos final : public LogitsProcessor<S> {
 public:
  /// `ids`: the only tokens that are then allowed.
  explicit ForcedEos(std::vector<TokenId> ids) : ids_(std::move(ids)) {}
  std::string_view name() const override { return "forced_eos_token_id"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    if (sequence.length() == sequence.max_length - 1) {
      detail::force(scores, std::span<const TokenId>(ids_));
    }
  }

 private:
  std::vector<TokenId> ids_;
};

/// NaN becomes 0, infinities become the largest finite numbers.
template <typename S>
class RemoveInvalidValues final : public LogitsProcessor<S> {
 public:
  std::string_view name() const override { return "remove_invalid_values"; }
  void apply(const SequenceView&, std::span<S> scores) const override {
    constexpr S largest = std::numeric_limits<S>::max();
    for (S& score : scores) {
      score = std::isnan(score) ? S(0) : std::clamp(score, -largest, largest);
    }
  }
};

/// Bans tokens everywhere.
template <typename S>
class SuppressTokens final : public LogitsProcessor<S> {
 public:
  /// `ids`: the tokens to ban.
  explicit SuppressTokens(std::vector<TokenId> ids) : ids_(std::move(ids)) {}
  std::string_view name() const override { return "suppress_tokens"; }
  void apply(const SequenceView&, std::span<S> scores) const override {
    detail::ban_all(scores, std::span<const TokenId>(ids_));
  }

 private:
  std::vector<TokenId> ids_;
};

/// Bans tokens as the first new token; as the second when forced_bos_token_id forces the first.
template <typename S>
class BeginSuppressTokens final : public LogitsProcessor<S> {
 public:
  /// `ids`: the tokens to ban; `bos_is_forced`: whether forced_bos_token_id is given.
  BeginSuppressTokens(std::vector<TokenId> ids, bool bos_is_forced)
      : ids_(std::move(ids)), bos_is_forced_(bos_is_forced) {}
  std::string_view name() const override { return "begin_suppress_tokens"; }
  void apply(const SequenceView& sequence, std::span<S> scores) const override {
    const bool second = bos_is_forced_ && sequence.prompt_length <= 1;
    if (sequence.length() == sequence.prompt_length + (second ? 1 : 0)) {
      detail::ban_all(scores, std::span<const TokenId>(ids_));
    }
  }

 private:
  std::vector<TokenId> ids_;
  bool bos_is_forced_;
};

/// Divides the scores by the temperature.
template <typename S>
class Temperature final : public LogitsProcessor<S> {
 public:
  /// `temperature` > 0.
  explicit Temperature(double temperature) : temperature_(static_cast<S>(temperature)) {}
  std::string_view name() const override { return "temperature"; }
  void apply(const SequenceView&, std::span<S> scores) const override {
    for (S& score : scores) score /= temperature_;
  }

 private:
  S temperature_;
};

/// Keeps the k largest scores, and all that equal the k-th.
template <typename S>
class TopK final : public LogitsProcessor<S> {
 public:
  /// `k` >= 1; at least `min_keep` tokens stay.
  TopK(std::int64_t k, std::size_t min_keep)
      : k_(std::max(static_cast<std::size_t>(k), min_keep)) {}
  std::string_view name() const override { return "top_k"; }
  void apply(const SequenceView&, std::span<S> scores) const override {
    const auto best = detail::top_indices(std::span<const S>(scores), k_);
    if (best.size() < k_) return;  // fewer candidates than k
    const S kth = scores[best.back()];
    for (S& score : scores) {
      if (score < kth) score = detail::minus_infinity<S>;
    }
  }

 private:
  std::size_t k_;
};

/// Removes the least probable tokens as long as their probabilities add up to at most 1 - p: the
/// token that crosses p is kept. Of equal scores the lower ids stay.
template <typename S>
class TopP final : public LogitsProcessor<S> {
 public:
  /// `p` in [0, 1]; at least `min_keep` tokens stay.
  TopP(double p, std::size_t min_keep) : p_(p), min_keep_(min_keep) {}
  std::string_view name() const override { return "top_p"; }
  void apply(const SequenceView&, std::span<S> scores) const override;

 private:
  double p_;
  std::size_t min_keep_;
};

template <typename S>
void TopP<S>::apply(const SequenceView&, std::span<S> scores) const {
  const std::span<const S> all(scores);
  const std::vector<std::size_t> tokens = detail::candidates(all);
  std::vector<double> weight = detail::weights(all, std::span(tokens));
  const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  for (double& w : weight) w /= total;
  const double light = 1.0 - p_;                  // the probability that may be removed
  std::vector<std::size_t> order(tokens.size());  // indices into `tokens`, best first
  std::iota(order.begin(), order.end(), std::size_t{0});
  // By score, not by weight: weights far below the best are all 0.
  const auto before = [&](std::size_t a, std::size_t b) {
    const S first = scores[tokens[a]], second = scores[tokens[b]];
    return first != second ? first > second : a < b;
  };
  // The cut is usually near the top, so sort only a head. Lengthen it until all of the tail behind
  // it may be removed.
  std::size_t head = 0;
  double tail = 1.0;
  while (head < order.size() && !(head > 0 && tail <= light)) {
    head = std::min(order.size(), std::max<std::size_t>(64, head * 8));
    const auto middle = order.begin() + static_cast<std::ptrdiff_t>(head);
    tail = 0.0;
    if (head == order.size()) break;
    std::nth_element(order.begin(), middle, order.end(), before);
    const std::size_t border = *middle;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      if (!before(i, border)) tail += weight[i];
    }
  }
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(head), before);
  std::size_t keep = head;
  while (keep > min_keep_ && (tail += weight[order[keep - 1]]) <= light) --keep;
  keep = std::max(keep, std::min(min_keep_, order.size()));
  for (std::size_t i = keep; i < order.size(); ++i) {
    scores[tokens[order[i]]] = detail::minus_infinity<S>;
  }
}

/// Removes tokens that are less probable than min_p times the most probable one.
template <typename S>
class MinP final : public LogitsProcessor<S> {
 public:
  /// `min_p` in [0, 1]; at least `min_keep` tokens stay.
  MinP(double min_p, std::size_t min_keep) : min_p_(min_p), min_keep_(min_keep) {}
  std::string_view name() const override { return "min_p"; }
  void apply(const SequenceView&, std::span<S> scores) const override {
    const std::span<const S> all(scores);
    const auto tokens = detail::candidates(all);
    const auto weight = detail::weights(all, std::span(tokens));  // the most probable one has 1
    const auto best = detail::top_indices(all, min_keep_);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (weight[i] < min_p_ && std::ranges::count(best, tokens[i]) == 0) {
        scores[tokens[i]] = detail::minus_infinity<S>;
      }
    }
  }

 private:
  double min_p_;
  std::size_t min_keep_;
};

/// Locally typical sampling (Meister et al. 2022): keeps the tokens whose information is nearest to
/// the entropy of the distribution, until their probabilities add up to `mass`.
template <typename S>
class TypicalP final : public LogitsProcessor<S> {
 public:
  /// `mass` in (0, 1); at least `min_keep` tokens stay.
  TypicalP(double mass, std::size_t min_keep) : mass_(mass), min_keep_(min_keep) {}
  std::string_view name() const override { return "typical_p"; }
  void apply(const SequenceView&, std::span<S> scores) const override;

 private:
  double mass_;
  std::size_t min_keep_;
};

template <typename S>
void TypicalP<S>::apply(const SequenceView&, std::span<S> scores) const {
  const std::span<const S> all(scores);
  std::vector<std::size_t> tokens = detail::candidates(all);
  const double norm = detail::log_sum_exp(all);
  if (!std::isfinite(norm)) return;  // infinite scores have no entropy
  const auto log_p = [&](std::size_t i) { return static_cast<double>(scores[i]) - norm; };
  double entropy = 0.0;
  for (const std::size_t i : tokens) entropy -= log_p(i) * std::exp(log_p(i));
  std::vector<double> distance(scores.size());
  for (const std::size_t i : tokens) distance[i] = std::abs(-log_p(i) - entropy);
  std::stable_sort(tokens.begin(), tokens.end(),
                   [&](std::size_t a, std::size_t b) { return distance[a] < distance[b]; });
  std::size_t last = 0;
  double sum = 0.0;
  while (last < tokens.size() && (sum += std::exp(log_p(tokens[last]))) < mass_) ++last;
  if (last >= tokens.size()) return;  // all tokens are needed to reach the mass
  const double limit = distance[tokens[last]];
  for (std::size_t i = std::min(min_keep_, tokens.size()); i < tokens.size(); ++i) {
    if (distance[tokens[i]] > limit) scores[tokens[i]] = detail::minus_infinity<S>;
  }
}

/// Makes the scores log-probabilities again.
template <typename S>
class Renormalize final : public LogitsProcessor<S> {
 public:
  std::string_view name() const override { return "renormalize_logits"; }
  void apply(const SequenceView&, std::span<S> scores) const override {
    const double norm = detail::log_sum_exp(std::span<const S>(scores));
    for (S& score : scores) score = static_cast<S>(static_cast<double>(score) - norm);
  }
};

}  // namespace llm
