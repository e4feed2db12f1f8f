/// \file
/// Generation: the only place where model and tokenizer meet. One prompt and millions of rows run
/// through the same loop. A row's result depends on the model, the prompt, the options, the seed
/// and the row's number, and never on the rows it is computed with.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/core/types.hpp"
#include "llm/generation/generation_config.hpp"
#include "llm/generation/logits_processor.hpp"
#include "llm/generation/observer.hpp"
#include "llm/generation/stop_rule.hpp"
#include "llm/model/language_model.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// What to do with a prompt that does not fit the model's context. A decoder's prompt does not fit
/// when there is no room for one new token. Truncation makes room for max_new_tokens, but leaves at
/// least half of the context to the prompt, and keeps the special tokens that the tokenizer added
/// at either end.
enum class Overflow : std::uint8_t { error, truncate_left, truncate_right, truncate_middle };

/// The value of a name such as "truncate-left" (or with an underscore). Throws Error
/// (invalid_option).
Overflow overflow_from_name(std::string_view name);

/// Why a row has no result; the other rows go on.
struct RowError {
  ErrorCode code = ErrorCode::internal;  ///< what kind of thing went wrong
  std::string message;                   ///< one sentence, as in Error
};

/// One prompt.
struct GenerationRequest {
  std::string id;                        ///< the caller's name for it; returned as it is
  std::optional<std::string> text = {};  ///< the prompt; needs a tokenizer
  std::vector<TokenId> ids = {};         ///< the prompt as tokens, when there is no text
  bool add_special_tokens = true;        ///< for `text`: as in EncodeOptions
  std::string language = {};             ///< for `text`: as in EncodeOptions
  /// The row's number, which chooses its random numbers and stands in the result; default: its
  /// place in the input, from 0.
  std::optional<std::uint64_t> row = {};
  std::shared_ptr<const GenerationConfig> config = {};  ///< instead of the run's
  /// For a row that failed before it came here: it is returned in its place among the results.
  std::optional<RowError> error = {};
  /// Receives each piece of text as soon as it is final (in beam search once, at the end). Return
  /// false to end the row ("interrupted").
  std::function<bool(std::int32_t sample, std::string_view piece)> on_text = {};
};

/// A generated token and its log-probability, see RunOptions::logprobs.
struct TokenLogprobs {
  TokenId id = 0;              ///< the token
  double logprob = 0.0;        ///< natural logarithm
  std::vector<Candidate> top;  ///< the most probable tokens and their log-probabilities
};

/// One returned sequence of one request.
struct GenerationResult {
  std::string id;                 ///< GenerationRequest::id
  std::uint64_t row = 0;          ///< GenerationRequest::row
  std::int32_t sample = 0;        ///< 0 to num_return_sequences - 1; of beams the best is first
  std::optional<RowError> error;  ///< when set, nothing below has a meaning

  std::string text;  ///< without the prompt and without the stop
  /// The new tokens as the reference returns them (with the eos or stop token); when a stop string
  /// ended the row, the tokens of `text`.
  std::vector<TokenId> new_ids;
  FinishReason finish_reason = FinishReason::length;  ///< why it ended
  /// What ended it: the stop string, the stop token as the tokenizer spells it (without a tokenizer
  /// its number), or what the StopRule returned.
  std::string stop;
  std::int64_t prompt_tokens = 0;  ///< encoder-decoder: of the source
  std::int64_t new_tokens = 0;     ///< size of new_ids
  bool truncated = false;          ///< whether the prompt was cut (RunOptions::overflow)
  std::uint64_t seed = 0;          ///< 0 when nothing was drawn
  /// Sum of the log-probabilities of new_ids by the model's own logits, before any processor.
  double logprob = 0.0;
  std::optional<double> score;          ///< of beam search: the reference's sequences_scores
  std::vector<TokenLogprobs> logprobs;  ///< one for each of new_ids, with RunOptions::logprobs
  /// The whole decoder sequence without padding: prompt or decoder start, then all new tokens.
  std::vector<TokenId> sequence;
};

/// A sequence that a model has read, to go on from later.
template <typename S>
struct KeptSequence {
  std::vector<TokenId> ids;                      ///< as many as state->length()
  std::unique_ptr<SequenceState<S>> state = {};  ///< null: nothing is kept
};

/// How to run. Only `overflow`, `max_input_tokens`, `processors`, `stop_rules` and `interrupt`
/// change results; the others change speed and memory.
template <typename S>
struct RunOptions {
  std::int64_t batch_size = 8;       ///< rows computed together
  std::int64_t prefill_chunk = 256;  ///< prompt tokens read in one step, of all rows together
  bool share_prefix = true;          ///< read a beginning that neighbouring rows share only once
  const KeptSequence<S>* prefix =
      nullptr;                          ///< decoders: prompts that begin like this go on from it
  Overflow overflow = Overflow::error;  ///< what to do with prompts that are too long
  /// Most tokens of a prompt. Longer prompts are treated as `overflow` says; texts of far more
  /// bytes are refused before they are encoded. Default: what the model takes, or
  /// default_max_input_tokens where it sets no limit.
  std::optional<std::int64_t> max_input_tokens = {};
  std::int32_t logprobs = 0;  ///< size of TokenLogprobs::top; 0: no logprobs; not for beams
  /// Set it to true, from any thread or a signal handler, to end the run. It is read before every
  /// step and within long ones.
  const std::atomic<bool>* interrupt = nullptr;
  ProcessorList<S> processors = {};  ///< the caller's own; for their place see make_processors()
  std::vector<std::shared_ptr<const StopRule>> stop_rules = {};  ///< the caller's own
  GenerationObserver<S>* observer = nullptr;                     ///< sees every choice; may be null
};

/// Gives the next row, nullopt at the end. Called only when a row is needed.
using RequestSource = std::function<std::optional<GenerationRequest>()>;
/// Receives the results in the order of the input, the samples of a row one after another.
using ResultSink = std::function<void(GenerationResult&&)>;

/// Generates with one model. Immutable: any number of threads may use one Generator at the same
/// time (as far as its observer, processors and stop rules allow it).
template <typename S>
class Generator {
 public:
  /// Both must outlive the generator. Without a tokenizer prompts are ids, texts stay empty, and
  /// stop strings are an Error (invalid_option).
  explicit Generator(const LanguageModel<S>& model, const Tokenizer* tokenizer = nullptr,
                     RunOptions<S> options = {});

  /// Receives text as it is generated; return false to end the generation.
  using OnText = std::function<bool(std::string_view piece)>;

  /// Completes one prompt and returns the first result. Throws Error (context_overflow,
  /// invalid_input, invalid_option).
  GenerationResult generate(std::string_view prompt, const GenerationConfig& config = {},
                            const OnText& on_text = {}) const;
  /// The same for a prompt of tokens.
  GenerationResult generate(std::span<const TokenId> prompt, const GenerationConfig& config = {},
                            const OnText& on_text = {}) const;
  /// All num_return_sequences results of one request. Throws Error.
  std::vector<GenerationResult> generate_all(GenerationRequest request,
                                             const GenerationConfig& config = {}) const;
  /// The same results. Of a decoder's prompt, the beginning that `kept` holds is not computed
  /// again. At the end `kept` holds what the model has read: the prompt, and of the first sequence
  /// all tokens but the last (of beams only the prompt). Throws Error; `kept` can then still be
  /// used.
  std::vector<GenerationResult> generate_all(GenerationRequest request,
                                             const GenerationConfig& config,
                                             KeptSequence<S>& kept) const;

  /// Runs all rows of `source`, batch_size at a time; when a row ends, the next one joins. A row
  /// that cannot be done becomes a result with an error. Memory depends on batch_size, not on the
  /// number of rows. Ends early when `interrupt` is set: rows that have begun are delivered as far
  /// as they got, and every sequence that could have become another one is `interrupted`. Throws
  /// Error (invalid_option) for `config`, and what `source` and `sink` throw.
  void run(const RequestSource& source, const GenerationConfig& config,
           const ResultSink& sink) const;

  const LanguageModel<S>& model() const { return model_; }   ///< as given
  const Tokenizer* tokenizer() const { return tokenizer_; }  ///< as given; may be null
  const RunOptions<S>& options() const { return options_; }  ///< as given

 private:
  std::vector<GenerationResult> all_results(GenerationRequest request,
                                            const GenerationConfig& config,
                                            KeptSequence<S>* kept) const;
  GenerationResult first_result(GenerationRequest request, const GenerationConfig& config,
                                const OnText& on_text) const;

  const LanguageModel<S>& model_;
  const Tokenizer* tokenizer_;
  RunOptions<S> options_;
};

/// The sequences of one request, padded to one length as the reference's generate() does:
/// [sequences, length].
std::vector<std::vector<TokenId>> padded_sequences(std::span<const GenerationResult> results,
                                                   const GenerationConfig& config);

extern template class Generator<float>;
extern template class Generator<double>;

}  // namespace llm
