/// \file
/// Between the model's logits and the choice of a token stands a list of processors. Each changes
/// the scores of all tokens; their order is the reference's.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/generation/generation_config.hpp"

namespace llm {

/// What a processor or a stop rule may look at: one sequence so far.
struct SequenceView {
  std::span<const TokenId> ids;  ///< the decoder's tokens: prompt (or decoder start), then new ones
  std::span<const TokenId> source;  ///< encoder-decoder: the encoder's tokens; decoder: the prompt
  std::int64_t prompt_length = 0;   ///< how many of `ids` were given
  std::int64_t max_length = 0;      ///< the sequence ends at this length at the latest

  /// How many tokens the sequence has.
  std::int64_t length() const { return static_cast<std::int64_t>(ids.size()); }
};

/// Changes the scores of the next token; -inf bans a token. Scores are the model's logits, in beam
/// search log-probabilities. Keeps no state: one processor serves all rows and threads.
template <typename S>
class LogitsProcessor {
 public:
  virtual ~LogitsProcessor() = default;
  /// The option it implements ("top_p"); shown by observers.
  virtual std::string_view name() const = 0;
  /// scores: [vocab_size], changed in place.
  virtual void apply(const SequenceView& sequence, std::span<S> scores) const = 0;
};

/// Processors in the order in which they are applied.
template <typename S>
using ProcessorList = std::vector<std::shared_ptr<const LogitsProcessor<S>>>;

/// The processors that `config` asks for, in the reference's order: encoder_repetition_penalty,
/// repetition_penalty, no_repeat_ngram_size, encoder_no_repeat_ngram_size, bad_words_ids,
/// min_length or min_new_tokens, forced_bos_token_id, forced_eos_token_id, remove_invalid_values,
/// suppress_tokens, begin_suppress_tokens, `own`, with do_sample temperature, top_k, top_p, min_p,
/// typical_p, and last renormalize_logits.
template <typename S>
ProcessorList<S> make_processors(const GenerationConfig& config, const ProcessorList<S>& own = {});

extern template ProcessorList<float> make_processors(const GenerationConfig&,
                                                     const ProcessorList<float>&);
extern template ProcessorList<double> make_processors(const GenerationConfig&,
                                                      const ProcessorList<double>&);

}  // namespace llm
