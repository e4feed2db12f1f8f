/// \file
/// How one row chooses its tokens once its prompt has been read: samples that do not know of each
/// other (greedy or drawn), or beams. The scheduler runs the inputs that a Decoding asks for and
/// hands it the logits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llm/generation/beam_search.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/sampler.hpp"
#include "llm/generation/scores.hpp"
#include "llm/generation/task.hpp"
#include "llm/generation/text_streamer.hpp"
#include "llm/tensor/finite.hpp"

namespace llm::detail {

template <typename S>
class Decoding {
 public:
  virtual ~Decoding() = default;
  /// `state` has read the prompt; `logits` [vocab_size] are those after it.
  virtual void begin(std::unique_ptr<SequenceState<S>> state, std::span<const S> logits) = 0;
  /// Adds one input for each live sequence; the ids stay valid until the next call of advance().
  virtual void add_inputs(std::vector<StepInput<S>>& batch) = 0;
  /// Takes the logits after those inputs, [live sequences, vocab_size].
  virtual void advance(TensorView<const S> logits) = 0;
  virtual bool done() const = 0;
  /// Ends all live sequences as they are. What depends on them does not count as finished either.
  virtual void interrupt() = 0;
  virtual std::vector<GenerationResult> take_results() = 0;
};

/// What the decodings of a run share.
template <typename S>
struct DecodingContext {
  const RunOptions<S>* options = nullptr;
  std::shared_ptr<const ProcessorList<S>> processors;
  KeptSequence<S>* kept = nullptr;  ///< receives the sequence of the first sample; may be null
};

/// log(sum(exp(logits))). Throws Error (bad_format) when it is not finite: the logits are not
/// numbers.
template <typename S>
double checked_norm(std::span<const S> logits) {
  const double norm = log_sum_exp(logits);
  if (!std::isfinite(norm)) refuse_non_finite("logits");
  return norm;
}

/// Applies all processors to `scores` in place, and tells the observer.
template <typename S>
void process(const DecodingContext<S>& context, const SequenceView& sequence,
             const StepPlace& place, std::span<S> scores) {
  GenerationObserver<S>* observer = context.options->observer;
  if (observer) observer->scores(place, "logits", scores);
  for (const auto& processor : *context.processors) {
    processor->apply(sequence, scores);
    if (observer) observer->scores(place, processor->name(), scores);
  }
}

/// Whether the last token ends the sequence.
inline std::optional<Ending> ending_by_tokens(const Task& task, std::span<const TokenId> ids) {
  const TokenId last = ids.back();
  if (std::ranges::count(task.config->eos_token_id, last) ||
      std::ranges::count(task.config->stop_token_ids, last)) {
    return Ending{FinishReason::stop, task.spell(last)};
  }
  return std::nullopt;
}

/// Whether a limit or a rule of the caller ends the sequence. `late`: the time limit has passed.
template <typename S>
std::optional<Ending> ending_by_limits(const Task& task, const RunOptions<S>& options,
                                       std::span<const TokenId> ids, std::string_view text,
                                       bool late) {
  if (static_cast<std::int64_t>(ids.size()) >= task.max_length) {
    return Ending{FinishReason::length, {}};
  }
  if (late) return Ending{FinishReason::time, {}};
  for (const auto& rule : options.stop_rules) {
    if (auto why = rule->check(task.view(ids), text)) {
      return Ending{FinishReason::stop, std::move(*why)};
    }
  }
  return std::nullopt;
}

/// Greedy decoding and sampling: num_return_sequences independent sequences.
template <typename S>
class SampleDecoding final : public Decoding<S> {
 public:
  SampleDecoding(const Task& task, DecodingContext<S> context)
      : task_(task), context_(std::move(context)) {
    const auto count = task.config->num_return_sequences;
    for (std::int32_t i = 0; i < count; ++i) samples_.emplace_back(task, i);
  }

  void begin(std::unique_ptr<SequenceState<S>> state, std::span<const S> logits) override {
    for (std::size_t i = 1; i < samples_.size(); ++i) samples_[i].state = state->fork();
    samples_[0].state = std::move(state);
    for (Sample& sample : samples_) choose(sample, logits);
  }

  void add_inputs(std::vector<StepInput<S>>& batch) override {
    for (const Sample& sample : samples_) {
      if (!sample.ended)
        batch.push_back({sample.state.get(), std::span(sample.ids).last(1), false});
    }
  }

  void advance(TensorView<const S> logits) override {
    std::int64_t row = 0;
    for (Sample& sample : samples_) {
      if (!sample.ended) choose(sample, logits.row(row++));
    }
  }

  bool done() const override { return std::ranges::all_of(samples_, &Sample::ended); }

  void interrupt() override {
    for (Sample& sample : samples_) {
      if (!sample.ended) end(sample, {FinishReason::interrupted, {}});
    }
  }

  std::vector<GenerationResult> take_results() override {
    std::vector<GenerationResult> results;
    for (Sample& sample : samples_) results.push_back(std::move(sample.result));
    return results;
  }

 private:
  struct Sample {
    Sample(const Task& task, std::int32_t number)
        : ids(task.prompt),
          random(task.seed, task.row, static_cast<std::uint32_t>(number)),
          result(task.result(number)) {
      if (!task.tokenizer) return;
      const std::span<const TokenId> context(task.prompt);
      streamer.emplace(*task.tokenizer, task.is_encoder_decoder ? context.first(0) : context,
                       task.config->stop_strings);
    }
    std::vector<TokenId> ids;  // prompt and new tokens
    std::unique_ptr<SequenceState<S>> state;
    RandomStream random;
    std::optional<TextStreamer> streamer;
    std::vector<TokenLogprobs> logprobs;
    GenerationResult result;
    bool ended = false;
  };

  std::int64_t step(const Sample& sample) const {
    return static_cast<std::int64_t>(sample.ids.size() - task_.prompt.size());
  }

  // Chooses one token and finds out whether it is the last.
  void choose(Sample& sample, std::span<const S> logits) {
    const StepPlace place{task_.row, sample.result.sample, step(sample)};
    scores_.assign(logits.begin(), logits.end());
    const double norm =
        task_.config->remove_invalid_values ? log_sum_exp(logits) : checked_norm(logits);
    process(context_, task_.view(sample.ids), place, std::span<S>(scores_));
    const std::span<const S> scores(scores_);
    const auto draw =
        task_.config->do_sample
            ? draw_token(scores, sample.random.uniform(static_cast<std::uint64_t>(place.step)))
            : choose_greedy(scores);
    if (!draw) {
      throw Error(ErrorCode::invalid_option,
                  "no token is left to choose from after " + std::to_string(place.step) +
                      " new tokens: all are banned; relax suppress_tokens, bad_words_ids or the "
                      "n-gram ban");
    }
    if (context_.options->observer) context_.options->observer->draw(place, *draw);
    sample.ids.push_back(draw->id);
    record_logprob(sample, logits, norm);
    if (auto ending = find_ending(sample)) end(sample, std::move(*ending));
  }

  void record_logprob(Sample& sample, std::span<const S> logits, double norm) {
    TokenLogprobs token;
    token.id = sample.ids.back();
    token.logprob = static_cast<double>(logits[static_cast<std::size_t>(token.id)]) - norm;
    if (context_.options->logprobs > 0) {
      token.top = top_scores(logits, static_cast<std::size_t>(context_.options->logprobs));
      for (Candidate& candidate : token.top) candidate.value -= norm;
    }
    sample.logprobs.push_back(std::move(token));
  }

  std::optional<Ending> find_ending(Sample& sample) {
    auto ending = ending_by_tokens(task_, sample.ids);
    if (ending) return ending;
    if (sample.streamer) {
      if (sample.streamer->put(sample.ids.back())) {
        return Ending{FinishReason::stop, sample.streamer->stop()};
      }
      if (!emit(sample)) return Ending{FinishReason::interrupted, {}};
    }
    return ending_by_limits(task_, *context_.options, sample.ids,
                            sample.streamer ? sample.streamer->text() : std::string_view(),
                            task_.out_of_time());
  }

  // Hands out the text that is final. Returns false when the caller wants no more.
  bool emit(Sample& sample) {
    if (!task_.request.on_text) return true;
    const std::string piece = sample.streamer->take();
    return piece.empty() || task_.request.on_text(sample.result.sample, piece);
  }

  /// The sequence has ended: keeps what the model has read of it, if anybody asked for it.
  void release(Sample& sample) {
    if (context_.kept && sample.result.sample == 0) {
      const auto fed = std::span<const TokenId>(sample.ids)
                           .first(static_cast<std::size_t>(sample.state->length()));
      *context_.kept = {{fed.begin(), fed.end()}, std::move(sample.state)};
    }
    sample.state.reset();
  }

  void end(Sample& sample, Ending ending) {
    sample.ended = true;
    release(sample);
    GenerationResult& result = sample.result;
    const auto new_ids = std::span<const TokenId>(sample.ids).subspan(task_.prompt.size());
    std::size_t kept = new_ids.size();
    if (sample.streamer) {
      sample.streamer->finish();
      emit(sample);
      if (!sample.streamer->stop().empty()) kept = sample.streamer->tokens_in_text();
      result.text = sample.streamer->text();
    }
    result.new_ids.assign(new_ids.begin(), new_ids.begin() + static_cast<std::ptrdiff_t>(kept));
    result.new_tokens = static_cast<std::int64_t>(kept);
    sample.logprobs.resize(kept);
    for (const TokenLogprobs& token : sample.logprobs) result.logprob += token.logprob;
    if (context_.options->logprobs > 0) result.logprobs = std::move(sample.logprobs);
    result.finish_reason = ending.reason;
    result.stop = std::move(ending.stop);
    result.sequence = std::move(sample.ids);
    if (context_.options->observer) {
      const StepPlace place{task_.row, result.sample, result.new_tokens};
      context_.options->observer->finished(place, to_string(result.finish_reason), result.stop);
    }
  }

  const Task& task_;
  DecodingContext<S> context_;
  std::vector<Sample> samples_;
  std::vector<S> scores_;
};

/// Beam search: num_beams sequences that compete. A state is forked when its beam goes on in
/// several ways.
template <typename S>
class BeamDecoding final : public Decoding<S> {
 public:
  BeamDecoding(const Task& task, DecodingContext<S> context)
      : task_(task),
        context_(std::move(context)),
        search_(*task.config, task.prompt, task.max_length, RandomStream(task.seed, task.row, 0)) {}

  void begin(std::unique_ptr<SequenceState<S>> state, std::span<const S> logits) override {
    states_.push_back(std::move(state));
    if (!task_.config->stop_strings.empty()) texts_.resize(search_.running().size(), new_text());
    const std::vector<std::span<const S>> rows(search_.running().size(), logits);
    choose(rows, std::vector<std::size_t>(rows.size(), 0));
  }

  void add_inputs(std::vector<StepInput<S>>& batch) override {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      batch.push_back({states_[i].get(), std::span(search_.running()[i].ids).last(1), false});
    }
  }

  void advance(TensorView<const S> logits) override {
    std::vector<std::span<const S>> rows;
    std::vector<std::size_t> own;
    for (std::int64_t i = 0; i < logits.rows(); ++i) {
      rows.push_back(logits.row(i));
      own.push_back(static_cast<std::size_t>(i));
    }
    choose(rows, own);
  }

  bool done() const override { return done_; }

  void interrupt() override {
    search_.close();
    done_ = true;
    cut_short_ = FinishReason::interrupted;
  }

  std::vector<GenerationResult> take_results() override {
    std::vector<GenerationResult> results;
    for (std::int32_t i = 0; i < task_.config->num_return_sequences; ++i) {
      results.push_back(result_of(search_.best()[static_cast<std::size_t>(i)], i));
    }
    return results;
  }

 private:
  TextStreamer new_text() const {
    const std::span<const TokenId> context(task_.prompt);
    return TextStreamer(*task_.tokenizer, task_.is_encoder_decoder ? context.first(0) : context,
                        task_.config->stop_strings);
  }

  /// One step of all beams. rows[b]: logits after running beam b, whose state is state_of[b].
  void choose(const std::vector<std::span<const S>>& rows,
              const std::vector<std::size_t>& state_of) {
    std::vector<double> norms;
    std::vector<std::span<const S>> scores;
    scores_.resize(rows.size());
    for (std::size_t b = 0; b < rows.size(); ++b) {
      norms.push_back(checked_norm(rows[b]));
      scores.push_back(processed(rows[b], norms[b], b));
    }
    const bool late = task_.out_of_time();
    search_.advance(scores, [&](Beam& beam) {
      const auto last = static_cast<std::size_t>(beam.ids.back());
      beam.logprobs.push_back(static_cast<double>(rows[beam.parent][last]) - norms[beam.parent]);
      if (auto ending = ending_of(beam, late)) {
        beam.finished = true;
        if (ending->reason == FinishReason::time) cut_short_ = FinishReason::time;
        beam.ending = std::move(*ending);
      }
    });
    done_ = search_.done();
    if (!done_) follow(state_of);
  }

  /// The processed log-probabilities after beam b.
  std::span<const S> processed(std::span<const S> logits, double norm, std::size_t b) {
    std::vector<S>& row = scores_[b];
    row.resize(logits.size());
    add_to_all(logits, -norm, row.data());
    const auto& ids = search_.running()[b].ids;
    const StepPlace place{task_.row, static_cast<std::int32_t>(b),
                          static_cast<std::int64_t>(ids.size() - task_.prompt.size())};
    process(context_, task_.view(ids), place, std::span<S>(row));
    return row;
  }

  std::optional<Ending> ending_of(const Beam& beam, bool late) const {
    auto ending = ending_by_tokens(task_, beam.ids);
    if (!ending && !texts_.empty()) {
      TextStreamer text = texts_[beam.parent];
      if (text.put(beam.ids.back())) ending = Ending{FinishReason::stop, text.stop()};
    }
    return ending ? ending : ending_by_limits(task_, *context_.options, beam.ids, {}, late);
  }

  /// Gives each running beam its parent's state and text: the last child takes the state itself,
  /// the others a fork.
  void follow(const std::vector<std::size_t>& state_of) {
    const std::vector<Beam>& running = search_.running();
    std::vector<std::size_t> uses(states_.size());
    for (const Beam& beam : running) ++uses[state_of[beam.parent]];
    std::vector<std::unique_ptr<SequenceState<S>>> states;
    std::vector<TextStreamer> texts;
    for (const Beam& beam : running) {
      const std::size_t from = state_of[beam.parent];
      states.push_back(--uses[from] > 0 ? states_[from]->fork() : std::move(states_[from]));
      if (texts_.empty()) continue;
      texts.push_back(texts_[beam.parent]);
      texts.back().put(beam.ids.back());
    }
    states_ = std::move(states);
    texts_ = std::move(texts);
  }

  GenerationResult result_of(const Beam& beam, std::int32_t sample) const {
    GenerationResult result = task_.result(sample);
    const auto new_ids = std::span(beam.ids).subspan(task_.prompt.size());
    std::size_t kept = new_ids.size();
    if (task_.tokenizer) {
      const bool hidden_last = kept > 0 && ending_by_tokens(task_, beam.ids).has_value();
      TextStreamer text = new_text();
      for (const TokenId id : new_ids.first(kept - (hidden_last ? 1 : 0))) {
        if (text.put(id)) break;
      }
      text.finish();
      if (!text.stop().empty()) kept = text.tokens_in_text();
      result.text = text.text();
      if (task_.request.on_text && !result.text.empty()) {
        task_.request.on_text(sample, result.text);
      }
    }
    result.new_ids.assign(new_ids.begin(), new_ids.begin() + static_cast<std::ptrdiff_t>(kept));
    result.new_tokens = static_cast<std::int64_t>(kept);
    // Even a complete sequence may not be what the whole search would have found.
    result.finish_reason = cut_short_.value_or(beam.ending.reason);
    if (!cut_short_) result.stop = beam.ending.stop;
    for (std::size_t i = 0; i < kept; ++i) result.logprob += beam.logprobs[i];
    result.score = beam.score;
    result.sequence = beam.ids;
    if (context_.options->observer) {
      const StepPlace place{task_.row, sample, result.new_tokens};
      context_.options->observer->finished(place, to_string(result.finish_reason), result.stop);
    }
    return result;
  }

  const Task& task_;
  DecodingContext<S> context_;
  BeamSearch<S> search_;
  std::vector<std::unique_ptr<SequenceState<S>>> states_;
  std::vector<TextStreamer> texts_;  // of the running beams; only with stop strings
  std::vector<std::vector<S>> scores_;
  bool done_ = false;
  std::optional<FinishReason> cut_short_;  // why the search ended before its end
};

}  // namespace llm::detail
