/// \file
/// Log-probabilities of texts that are given: of completions behind a prompt, and perplexity. Where
/// the generation loop chooses tokens, a scorer looks up what the model thinks of known ones.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/generation/generator.hpp"
#include "llm/model/language_model.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// Tokens to be scored behind a context.
struct Continuation {
  std::vector<TokenId> ids;  ///< more than `given`
  std::size_t given = 0;     ///< how many of the first ids are read, but not counted
};

/// What is scored: several continuations of one context.
struct ScoreRequest {
  std::vector<TokenId> source;   ///< encoder-decoder: what the encoder reads; decoder: empty
  std::vector<TokenId> context;  ///< the decoder's tokens before each continuation; at least one
  std::vector<Continuation> continuations;
};

struct TokenScore {
  TokenId id = 0;
  double logprob = 0.0;  ///< natural logarithm of its probability behind all tokens before it
};

struct ContinuationScore {
  double logprob = 0.0;            ///< sum over `tokens`
  std::vector<TokenScore> tokens;  ///< without those that are given
};

/// What log-probabilities are divided by before they are compared.
enum class LengthNormalization : std::uint8_t { none, tokens, bytes };
/// "none" and so on; Error (invalid_option) for other names.
LengthNormalization length_normalization_from_name(std::string_view name);
/// The log-probability of `text`, divided.
double normalized_logprob(const ContinuationScore& score, std::string_view text,
                          LengthNormalization by);

struct ScoreResult {
  std::vector<ContinuationScore> continuations;  ///< one for each of the request
  std::optional<RowError> error;                 ///< then there are none
};

struct Perplexity {
  double value = 0.0;        ///< exp(nll)
  double nll = 0.0;          ///< mean negative log-likelihood of a token
  std::int64_t tokens = 0;   ///< that the mean is over
  std::int64_t windows = 0;  ///< passes of the model
};

struct ScorerOptions {
  std::int64_t step_tokens = 256;        ///< computed at once, over all sequences; for speed alone
  std::optional<TokenId> decoder_start;  ///< an encoder-decoder's first token, for request()
  /// Most tokens of a prompt, and of a decoder's prompt and completion; as
  /// RunOptions::max_input_tokens.
  std::optional<std::int64_t> max_input_tokens = {};
  const std::atomic<bool>* interrupt = nullptr;  ///< ends the work with an Error (interrupted)
};

/// Scores with one model. Immutable: any number of threads may use one Scorer. A score depends on
/// its own request alone, to the bit, not on the other requests, their order, or threads.
template <typename S>
class Scorer {
 public:
  /// Both must outlive the scorer; without a tokenizer there are no requests from text.
  explicit Scorer(const LanguageModel<S>& model, const Tokenizer* tokenizer = nullptr,
                  ScorerOptions options = {});

  /// A request for the texts `completions` directly behind `prompt`. Decoder: the tokens of a
  /// completion are those of the whole text beyond the ones it shares with the prompt; special
  /// tokens that a tokenizer adds at the end are left out. Encoder-decoder: the prompt is the
  /// source, a completion a target with the special tokens of targets. Throws Error (invalid_input)
  /// for a completion without tokens and a prompt without any.
  ScoreRequest request(std::string_view prompt, std::span<const std::string> completions,
                       const EncodeOptions& options = {}) const;

  /// The scores of all requests. A context is computed once for its continuations, and a beginning
  /// that all contexts share once for all of them; what they share with `prefix` is not computed
  /// at all. A request that cannot be scored has an error. Throws Error (out_of_memory).
  std::vector<ScoreResult> score(std::span<const ScoreRequest> requests,
                                 const KeptSequence<S>* prefix = nullptr) const;

  /// Reads tokens of a decoder, for contexts that begin with them. Throws Error.
  KeptSequence<S> read(std::span<const TokenId> ids) const;

  /// Perplexity of a long text by a sliding window, as the reference's documentation computes it:
  /// windows of `window` tokens begin every `stride` tokens, each scores the tokens that no earlier
  /// one has, and counts for one token less than it has new ones. Throws Error: invalid_option for
  /// sizes that make no sense or an encoder-decoder, invalid_input for fewer than two tokens.
  Perplexity perplexity(std::span<const TokenId> ids, std::int64_t window,
                        std::int64_t stride) const;

 private:
  using States = std::vector<std::unique_ptr<SequenceState<S>>>;

  std::int64_t most_tokens(std::optional<std::int64_t> model_limit) const;
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const;
  void check(const ScoreRequest& request) const;
  std::span<const TokenId> prepare(std::span<const ScoreRequest> requests,
                                   std::vector<ScoreResult>& results) const;
  States open(std::span<const ScoreRequest> requests, const std::vector<ScoreResult>& results,
              const KeptSequence<S>* prefix, Workspace& workspace) const;
  void read_contexts(std::span<const ScoreRequest> requests, const States& states,
                     std::vector<ScoreResult>& results, Workspace& workspace) const;
  void read_continuations(std::span<const ScoreRequest> requests, const States& states,
                          std::vector<ScoreResult>& results, Workspace& workspace) const;

  const LanguageModel<S>& model_;
  const Tokenizer* tokenizer_;
  ScorerOptions options_;
};

extern template class Scorer<float>;
extern template class Scorer<double>;

}  // namespace llm
