/// \file
/// Words for the masks of a text: what a masked language model puts there.
///   text with [MASK] -> MaskFiller -> tokens with scores, the text with each in place
/// Reference: transformers, pipelines/fill_mask.py.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// One token for one mask.
struct MaskFill {
  TokenId token = 0;      ///< its id
  std::string token_str;  ///< its text
  double score = 0.0;     ///< the token's probability
  std::string sequence;   ///< the text with it in place; other masks stay
};

/// How to fill masks.
struct FillMaskOptions {
  std::int64_t top_k = 5;  ///< tokens for each mask
  /// Only these words compete; of one that is no token its first token does. Scores stay those
  /// among all tokens.
  std::vector<std::string> targets = {};
  Truncation truncation = Truncation::none;          ///< of texts that are too long
  std::int64_t batch_tokens = default_batch_tokens;  ///< tokens computed together
  InputOptions input = {};                           ///< what bounds the work on a text
};

/// Immutable; refers to model and tokenizer.
template <typename S>
class MaskFiller {
 public:
  /// BART fills masks by its LM head: load it with LoadOptions::head = HeadKind::masked_lm. Throws
  /// Error: unsupported for a model without a masked-lm head or a tokenizer without a mask;
  /// invalid_option for top_k and when no target has a token.
  MaskFiller(const Model<S>& model, const Tokenizer& tokenizer, FillMaskOptions options = {});

  /// What was done with targets that are no tokens: a sentence for people each.
  const std::vector<std::string>& notes() const { return notes_; }
  /// Throws Error: invalid_input for a text without a mask, context_overflow, also when a mask is
  /// among what is cut.
  TextTokens encode(std::string_view text) const;
  /// For each text and each of its masks the best tokens, the best first.
  std::vector<std::vector<std::vector<MaskFill>>> fill(std::span<const TextTokens> texts) const;

 private:
  void find_targets();
  std::vector<std::int64_t> masks_of(const TextTokens& text) const;
  std::vector<MaskFill> best(const TextTokens& text, std::int64_t position, bool only_mask,
                             std::span<const S> logits) const;
  std::string sequence(const TextTokens& text, std::int64_t position, TokenId token,
                       bool only_mask) const;

  const Model<S>& model_;
  const Tokenizer& tokenizer_;
  TextEncoder encoder_;
  FillMaskOptions options_;
  TokenId mask_ = 0;
  std::vector<TokenId> targets_;
  std::vector<std::string> notes_;
};

extern template class MaskFiller<float>;
extern template class MaskFiller<double>;

}  // namespace llm
