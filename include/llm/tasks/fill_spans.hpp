/// \file
/// Words for the gaps of a text as T5 learned to give them: it generates
/// `<extra_id_0> words <extra_id_1> words`, which are put in place (span corruption,
/// arXiv:1910.10683, section 3.1.4).
///   text with `<extra_id_0>` -> SpanFiller -> words for each gap, the text with them in place
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/generation/generator.hpp"
#include "llm/model/model.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// A text and its gaps.
struct SpanText {
  /// A place to fill.
  struct Gap {
    TokenId sentinel = 0;  ///< the token of the gap
    ByteSpan place;        ///< of "<extra_id_0>" in the text
  };
  std::string text;          ///< as given
  std::vector<TokenId> ids;  ///< its tokens
  std::vector<Gap> gaps;     ///< in the order of the text
  TokenId end = -1;          ///< the sentinel behind the last gap's words, where there is one
};

/// What stands in one gap.
struct SpanFill {
  std::vector<TokenId> tokens;  ///< their ids
  std::string token_str;        ///< their text
  double score = 0.0;           ///< probability of these tokens together, given all before them
};

/// One answer of the model. A gap it says nothing about has no fill and stays in the sequence.
struct SpanAnswer {
  std::vector<std::optional<SpanFill>> fills;  ///< one for each gap
  std::string sequence;                        ///< the text with them in place
};

/// Immutable; refers to model and tokenizer.
template <typename S>
class SpanFiller {
 public:
  /// `top_k` answers are searched with as many beams, unless `config` asks for more beams;
  /// without max_new_tokens there are at most 16 tokens for each gap. Throws
  /// Error: unsupported for a model that is no encoder-decoder with a language-model head and
  /// sentinels in its vocabulary.
  SpanFiller(const Model<S>& model, const Tokenizer& tokenizer, GenerationConfig config,
             std::int64_t top_k = 1, InputOptions input = {});

  /// Throws Error: invalid_input for a text without gaps or with a gap twice, context_overflow.
  SpanText encode(std::string_view text) const;
  /// The answers to each text, the best first.
  std::vector<std::vector<SpanAnswer>> fill(std::span<const SpanText> texts) const;

 private:
  GenerationRequest request(const SpanText& text) const;
  SpanAnswer answer(const SpanText& text, std::span<const TokenId> sequence) const;
  bool ends(const SpanText& text, TokenId id) const;
  std::vector<double> logprobs(const SpanText& text, std::span<const TokenId> sequence) const;

  const Model<S>& model_;
  const Tokenizer& tokenizer_;
  GenerationConfig config_;
  InputOptions input_;
};

extern template class SpanFiller<float>;
extern template class SpanFiller<double>;

}  // namespace llm
