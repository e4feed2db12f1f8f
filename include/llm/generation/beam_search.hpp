/// \file
/// Beam search over one row, as the reference does it: which sequences go on and which are
/// finished. It knows no model: scores come in, the parents and tokens of the next beams come out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/generation/generation_config.hpp"
#include "llm/generation/sampler.hpp"
#include "llm/generation/scores.hpp"
#include "llm/generation/stop_rule.hpp"

namespace llm {

/// One sequence of beam search.
struct Beam {
  std::vector<TokenId> ids;  ///< prompt and new tokens
  double score = 0.0;        ///< running: sum of processed scores; finished: length penalty applied
  std::vector<double> logprobs = {};  ///< the visitor's, kept with the beam
  std::size_t parent = 0;             ///< index of the running beam that it continues
  bool finished = false;              ///< set by the visitor, with `ending`
  Ending ending;                      ///< how it ended
};

/// Follows `num_beams` sequences and keeps the best `num_beams` finished ones.
template <typename S>
class BeamSearch {
 public:
  /// Is called for each continuation, whose last token is new; decides whether it ends there. May
  /// add to its logprobs, which begin as its parent's.
  using Visitor = std::function<void(Beam& continuation)>;

  /// All beams begin with `prompt`, which `max_length` counts too. `random` is used with do_sample.
  BeamSearch(const GenerationConfig& config, std::vector<TokenId> prompt, std::int64_t max_length,
             RandomStream random)
      : config_(config),
        prompt_length_(prompt.size()),
        max_length_(static_cast<std::size_t>(max_length)),
        random_(random) {
    const auto beams = static_cast<std::size_t>(config.num_beams);
    // Only the first beam counts at the start, or all would continue with the same tokens.
    running_.assign(beams, Beam{prompt, unreachable, {}, 0, false, {}});
    running_[0].score = 0.0;
    best_.assign(beams, Beam{std::move(prompt), unreachable, {}, 0, false, {}});
  }

  /// The sequences that go on, best first.
  const std::vector<Beam>& running() const { return running_; }
  /// The best sequences, best first; those that are not `finished` are placeholders.
  const std::vector<Beam>& best() const { return best_; }
  /// Whether the search has ended.
  bool done() const { return done_; }

  /// One step. `scores[b]` [vocab_size]: the processed log-probabilities of the token after running
  /// beam b.
  void advance(std::span<const std::span<const S>> scores, const Visitor& visit) {
    const std::vector<Beam> next = continuations(scores, visit);
    keep_finished(next);
    keep_running(next);
    const bool all_stopped = std::ranges::all_of(next, &Beam::finished);
    const bool all_complete = std::ranges::all_of(best_, &Beam::finished);
    improvable_ = improvable_ && can_improve();
    done_ = !improvable_ || all_stopped ||
            (all_complete && config_.early_stopping == EarlyStopping::yes);
  }

  /// Ends the search here, as if the running sequences were complete: best() is then the best of
  /// these and of the finished ones. Call it after advance().
  void close() {
    std::erase_if(best_, [](const Beam& beam) { return !beam.finished; });
    for (Beam beam : running_) {
      beam.score = penalized(beam.score, beam.ids.size());
      best_.push_back(std::move(beam));
    }
    keep_best(best_);
    done_ = true;
  }

 private:
  static constexpr double unreachable = -1e9;  // the reference's score of what does not count

  // The best (or drawn) continuations of all running beams: so many that num_beams can go on even
  // when every beam has one that ends in each eos token.
  std::vector<Beam> continuations(std::span<const std::span<const S>> scores,
                                  const Visitor& visit) {
    const std::size_t vocabulary = scores[0].size();
    std::vector<double>& sums = sums_;
    sums.resize(running_.size() * vocabulary);
    for (std::size_t b = 0; b < running_.size(); ++b) {
      detail::add_to_all(scores[b], running_[b].score, sums.data() + b * vocabulary);
    }
    std::vector<Beam> next;
    for (const std::size_t index : choose(sums)) {
      Beam beam = running_[index / vocabulary];
      beam.parent = index / vocabulary;
      beam.score = std::isnan(sums[index]) ? detail::minus_infinity<double> : sums[index];
      beam.finished = false;
      beam.ids.push_back(static_cast<TokenId>(index % vocabulary));
      visit(beam);
      next.push_back(std::move(beam));
    }
    return next;
  }

  std::vector<std::size_t> choose(const std::vector<double>& sums) const {
    const std::size_t per_beam = std::max<std::size_t>(2, 1 + config_.eos_token_id.size());
    const std::size_t count = std::min(per_beam * running_.size(), sums.size());
    if (config_.do_sample) {
      const std::uint64_t step = running_[0].ids.size() - prompt_length_;
      return draw_without_replacement(std::span<const double>(sums), count, random_, step);
    }
    std::vector<std::size_t> best = detail::top_indices(std::span<const double>(sums), count);
    for (std::size_t i = 0; i < sums.size() && best.size() < count; ++i) {
      if (!detail::is_candidate(sums[i])) best.push_back(i);  // too few candidates: banned ones
    }
    return best;
  }

  // Only the first num_beams continuations may become finished sequences.
  void keep_finished(const std::vector<Beam>& next) {
    const bool full = std::ranges::all_of(best_, &Beam::finished);
    const bool closed = (full && config_.early_stopping == EarlyStopping::yes) || !improvable_;
    for (std::size_t i = 0; i < next.size(); ++i) {
      Beam beam = next[i];
      beam.score = penalized(beam.score, beam.ids.size());
      beam.finished = beam.finished && i < running_.size();
      if (closed) beam.score += unreachable;
      if (!beam.finished) beam.score += unreachable;
      best_.push_back(std::move(beam));
    }
    keep_best(best_);
  }

  void keep_running(const std::vector<Beam>& next) {
    std::vector<Beam> open = next;
    for (Beam& beam : open) {
      if (beam.finished) beam.score += unreachable;
    }
    keep_best(open);
    running_ = std::move(open);
  }

  void keep_best(std::vector<Beam>& beams) const {
    std::ranges::stable_sort(beams, std::greater<>(), &Beam::score);
    beams.resize(static_cast<std::size_t>(config_.num_beams));
  }

  // The score of a sequence that ends at this length.
  double penalized(double score, std::size_t length) const {
    return score / std::pow(static_cast<double>(length - prompt_length_), config_.length_penalty);
  }

  // Whether a running beam might still beat the worst finished one. Exact only for "never"; the
  // default takes the current length for the final one, as the reference does.
  bool can_improve() const {
    const bool longest =
        config_.early_stopping == EarlyStopping::never && config_.length_penalty > 0.0;
    const std::size_t end = longest ? max_length_ : running_[0].ids.size();
    const double reachable = penalized(running_[0].score, end);
    const double worst = best_.back().score;  // sorted
    return std::ranges::any_of(
        best_, [&](const Beam& beam) { return reachable > (beam.finished ? worst : unreachable); });
  }

  GenerationConfig config_;
  std::size_t prompt_length_;
  std::size_t max_length_;
  RandomStream random_;
  std::vector<Beam> running_;
  std::vector<Beam> best_;
  std::vector<double> sums_;  // of all continuations; kept for the next step
  bool improvable_ = true;
  bool done_ = false;
};

}  // namespace llm
