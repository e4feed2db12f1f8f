/// \file
/// The generation loop: the only place where model and tokenizer meet. One prompt or millions of
/// rows run through the same loop; a row's result is a function of (model, prompt, options, seed,
/// row number) and never of the rows it is computed with.
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
/// when no new token would fit behind it. The truncating policies make room for max_new_tokens, but
/// keep at least half of the context for the prompt; special tokens that the tokenizer added at
/// either end are kept.
enum class Overflow : std::uint8_t { error, truncate_left, truncate_right, truncate_middle };

/// "truncate-left" (or with underscore) and so on; Error (invalid_option) for other names.
Overflow overflow_from_name(std::string_view name);

/// Why a row has no result; the other rows go on.
struct RowError {
  ErrorCode code = ErrorCode::internal;
  std::string message;  ///< one sentence, as in Error
};

/// One prompt.
struct GenerationRequest {
  std::string id;                        ///< the caller's name for it; handed through
  std::optional<std::string> text = {};  ///< the prompt; needs a tokenizer
  std::vector<TokenId> ids = {};         ///< the prompt as tokens, when there is no text
  bool add_special_tokens = true;        ///< for `text`: as in EncodeOptions
  std::string language = {};             ///< for `text`: as in EncodeOptions
  /// Number of the row in the random stream and in the result; default: its place in the input.
  std::optional<std::uint64_t> row = {};
  std::shared_ptr<const GenerationConfig> config = {};  ///< instead of the run's
  /// A row that failed before it came here: handed through to its place among the results.
  std::optional<RowError> error = {};
  /// Receives each piece of text as soon as it is certain (in beam search once, at the end);
  /// returning false ends the row ("interrupted").
  std::function<bool(std::int32_t sample, std::string_view piece)> on_text = {};
};

/// One token of RunOptions::logprobs.
struct TokenLogprobs {
  TokenId id = 0;
  double logprob = 0.0;
  std::vector<Candidate> top;  ///< the most probable tokens and their log-probabilities
};

/// One returned sequence of one request.
struct GenerationResult {
  std::string id;
  std::uint64_t row = 0;
  std::int32_t sample = 0;        ///< 0 .. num_return_sequences - 1; of beams the best first
  std::optional<RowError> error;  ///< then nothing below is meaningful

  std::string text;  ///< without the prompt and without the stop
  /// The new tokens as the reference returns them (eos or stop token included); when a stop string
  /// ended the row, those that `text` consists of.
  std::vector<TokenId> new_ids;
  FinishReason finish_reason = FinishReason::length;
  /// The stop string, the stop token as the tokenizer spells it (its number without a tokenizer),
  /// or what the StopRule said.
  std::string stop;
  std::int64_t prompt_tokens = 0;  ///< encoder-decoder: of the source
  std::int64_t new_tokens = 0;     ///< size of new_ids
  bool truncated = false;          ///< the prompt was cut (RunOptions::overflow)
  std::uint64_t seed = 0;          ///< 0 when nothing was drawn
  /// Sum of the log-probabilities of new_ids under the model's own distribution (softmax of its
  /// logits, before all processors).
  double logprob = 0.0;
  std::optional<double> score;          ///< of a beam: what the reference calls sequences_scores
  std::vector<TokenLogprobs> logprobs;  ///< for each of new_ids, with RunOptions::logprobs
  /// The whole decoder sequence (prompt or decoder start, all generated tokens), without padding.
  std::vector<TokenId> sequence;
};

/// What a model has read of a sequence, to go on from later.
template <typename S>
struct KeptSequence {
  std::vector<TokenId> ids;                      ///< as many as state->length()
  std::unique_ptr<SequenceState<S>> state = {};  ///< null: nothing is kept
};

/// How to run. Of these only `overflow`, `max_input_tokens`, `processors`, `stop_rules` and
/// `interrupt` change results.
template <typename S>
struct RunOptions {
  std::int64_t batch_size = 8;       ///< rows in flight at once
  std::int64_t prefill_chunk = 256;  ///< prompt tokens fed per step, over all rows
  bool share_prefix = true;          ///< compute a prefix that neighbouring rows share only once
  const KeptSequence<S>* prefix = nullptr;  ///< of a decoder: prompts that begin so go on from it
  Overflow overflow = Overflow::error;
  /// Most tokens of a prompt: longer ones are treated as `overflow` says, and texts of far more
  /// bytes are refused before they are encoded. Default: what the model takes, or
  /// default_max_input_tokens where it sets no limit.
  std::optional<std::int64_t> max_input_tokens = {};
  std::int32_t logprobs = 0;  ///< how many TokenLogprobs::top; 0: no logprobs; not for beams
  /// Checked at every step, and within long ones.
  const std::atomic<bool>* interrupt = nullptr;
  ProcessorList<S> processors = {};  ///< own, in their place of make_processors()
  std::vector<std::shared_ptr<const StopRule>> stop_rules = {};
  GenerationObserver<S>* observer = nullptr;
};

/// Where a stream of rows comes from: nullopt at the end. Pulled only as far as rows are needed.
using RequestSource = std::function<std::optional<GenerationRequest>()>;
/// Where results go: in input order, the samples of a row one after the other.
using ResultSink = std::function<void(GenerationResult&&)>;

/// Generates from one model. Immutable: any number of threads may use one Generator at the same
/// time (with an observer or own processors, as far as these allow it).
template <typename S>
class Generator {
 public:
  /// Both must outlive the generator. Without a tokenizer prompts are ids, texts stay empty, and
  /// stop strings are an Error (invalid_option).
  explicit Generator(const LanguageModel<S>& model, const Tokenizer* tokenizer = nullptr,
                     RunOptions<S> options = {});

  using OnText = std::function<bool(std::string_view piece)>;

  /// Completes one prompt; of several returned sequences the first. Throws Error
  /// (context_overflow, invalid_input, invalid_option).
  GenerationResult generate(std::string_view prompt, const GenerationConfig& config = {},
                            const OnText& on_text = {}) const;
  GenerationResult generate(std::span<const TokenId> prompt, const GenerationConfig& config = {},
                            const OnText& on_text = {}) const;
  /// All num_return_sequences results of one request. Throws Error.
  std::vector<GenerationResult> generate_all(GenerationRequest request,
                                             const GenerationConfig& config = {}) const;
  /// The same results; of a decoder's prompt, what `kept` begins with is not computed again. Leaves
  /// in `kept` what the model has read when it ends: the prompt, and of the first sequence all but
  /// the last token (of beams nothing more). Throws Error; `kept` is then good for another prompt.
  std::vector<GenerationResult> generate_all(GenerationRequest request,
                                             const GenerationConfig& config,
                                             KeptSequence<S>& kept) const;

  /// Runs all rows of `source` through the model, batch_size at a time, a new one joining when one
  /// ends. A row that cannot be done becomes a result with an error. Memory is bounded by the rows
  /// in flight and a window of finished ones. Ends early when `interrupt` is set: rows in flight
  /// are delivered as far as they got, and a sequence that could have become another one is
  /// `interrupted`. Throws Error (invalid_option) for `config`, and what `source` and `sink` throw.
  void run(const RequestSource& source, const GenerationConfig& config,
           const ResultSink& sink) const;

  const LanguageModel<S>& model() const { return model_; }
  const Tokenizer* tokenizer() const { return tokenizer_; }
  const RunOptions<S>& options() const { return options_; }

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

/// The sequences of one request as rows of equal length, padded as the reference's generate() does.
std::vector<std::vector<TokenId>> padded_sequences(std::span<const GenerationResult> results,
                                                   const GenerationConfig& config);

extern template class Generator<float>;
extern template class Generator<double>;

}  // namespace llm
