/// \file
/// Log-probabilities of known texts: of completions of a prompt, and the perplexity of long texts.
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

/// Tokens to score after a context.
struct Continuation {
  std::vector<TokenId> ids;  ///< more than `given`
  std::size_t given = 0;     ///< so many of the first ids are read, but not scored
};

/// Several continuations of one context, to be scored.
struct ScoreRequest {
  std::vector<TokenId> source;   ///< encoder-decoder: what the encoder reads; decoder: empty
  std::vector<TokenId> context;  ///< the decoder's tokens before each continuation; at least one
  std::vector<Continuation> continuations;  ///< what is scored
};

/// The score of one token.
struct TokenScore {
  TokenId id = 0;        ///< the token
  double logprob = 0.0;  ///< natural logarithm of its probability after all tokens before it
};

/// The score of one continuation.
struct ContinuationScore {
  double logprob = 0.0;            ///< sum over `tokens`
  std::vector<TokenScore> tokens;  ///< without the first Continuation::given ones
};

/// What log-probabilities are divided by before they are compared.
enum class LengthNormalization : std::uint8_t { none, tokens, bytes };
/// The value of its name, such as "tokens". Throws Error (invalid_option).
LengthNormalization length_normalization_from_name(std::string_view name);
/// The log-probability of `text`, divided as `by` says.
double normalized_logprob(const ContinuationScore& score, std::string_view text,
                          LengthNormalization by);

/// The scores of a request.
struct ScoreResult {
  std::vector<ContinuationScore> continuations;  ///< one for each continuation of the request
  std::optional<RowError> error;                 ///< when set, there are no continuations
};

/// How well a model predicts a text.
struct Perplexity {
  double value = 0.0;        ///< exp(nll)
  double nll = 0.0;          ///< mean negative log-likelihood of a token
  std::int64_t tokens = 0;   ///< that were scored
  std::int64_t windows = 0;  ///< passes of the model
};

/// How to score.
struct ScorerOptions {
  /// Tokens computed at once, of all sequences together; changes only speed and memory.
  std::int64_t step_tokens = 256;
  std::optional<TokenId> decoder_start;  ///< an encoder-decoder's first token, for request()
  /// Most tokens of a prompt, and of a decoder's prompt and completion; as
  /// RunOptions::max_input_tokens.
  std::optional<std::int64_t> max_input_tokens = {};
  const std::atomic<bool>* interrupt = nullptr;  ///< set to true: Error (interrupted)
};

/// Scores with one model. Immutable: any number of threads may use one Scorer. A score depends only
/// on its own request, to the bit; not on other requests, their order or the number of threads.
template <typename S>
class Scorer {
 public:
  /// Both must outlive the scorer. Without a tokenizer there is no request() from text.
  explicit Scorer(const LanguageModel<S>& model, const Tokenizer* tokenizer = nullptr,
                  ScorerOptions options = {});

  /// A request for the texts `completions` right after `prompt`. Decoder: the tokens of a
  /// completion are those of prompt and completion together that the prompt does not share; special
  /// tokens that the tokenizer adds at the end are left out. Encoder-decoder: the prompt is the
  /// source, a completion is a target with the special tokens of targets. Throws Error
  /// (invalid_input) when the prompt or a completion has no tokens.
  ScoreRequest request(std::string_view prompt, std::span<const std::string> completions,
                       const EncodeOptions& options = {}) const;

  /// The scores of all requests. A context is computed once for all its continuations, a beginning
  /// that all contexts share once for all of them, and what they share with `prefix` not at all. A
  /// request that cannot be scored has an error. Throws Error (out_of_memory).
  std::vector<ScoreResult> score(std::span<const ScoreRequest> requests,
                                 const KeptSequence<S>* prefix = nullptr) const;

  /// Reads tokens with a decoder, to be the `prefix` of contexts that begin with them. Throws
  /// Error.
  KeptSequence<S> read(std::span<const TokenId> ids) const;

  /// The perplexity of a long text by a sliding window, as the reference's documentation computes
  /// it: windows of `window` tokens begin every `stride` tokens; each scores the tokens that no
  /// window before it has scored, and counts for one token less than that. Throws Error:
  /// invalid_option for sizes that make no sense or for an encoder-decoder, invalid_input for fewer
  /// than two tokens.
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
