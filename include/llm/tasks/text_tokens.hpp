/// \file
/// Texts and pairs of texts as the tokens that a head reads: first station of every task.
///   text, or text and text_pair -> TextEncoder -> TextTokens -> Model -> logits or hidden states
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/nn/inputs.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// A text, or a pair of texts that are read together.
struct TaskText {
  std::string text;                      ///< the first text
  std::optional<std::string> pair = {};  ///< the second text, if there is one
};

/// What happens to a text of more tokens than the model takes. Tokens are cut from the end, or from
/// the beginning where the tokenizer truncates_left().
enum class Truncation : std::uint8_t {
  none,           ///< it is an Error (context_overflow)
  longest_first,  ///< of a pair the longer text is cut until both are equally long, then both
  only_first,     ///< the second text of a pair stays whole
};

/// The tokens of a text or a pair, special tokens included.
struct TextTokens {
  Encoding encoding;       ///< offsets are bytes of the text that the token is from
  Range first;             ///< tokens of the text in `encoding`; what is in no range was added
  Range second;            ///< tokens of the second text; empty without one
  bool truncated = false;  ///< whether tokens were cut

  /// How many tokens.
  std::int64_t size() const { return static_cast<std::int64_t>(encoding.ids.size()); }
  /// What a model is given. Valid as long as this is.
  EncoderInput input() const { return {encoding.ids, encoding.type_ids}; }
};

/// How many tokens of one text a model takes, and which file says so.
struct TokenLimit {
  std::int64_t tokens = 0;  ///< most tokens of a text, special ones included
  std::string source;       ///< for errors: "the model has 512 positions"
};

/// The limit that the model's positions and the tokenizer's model_max_length set; nothing where
/// neither does. `encoder_only`: the decoder of an encoder-decoder does not read the text.
std::optional<TokenLimit> token_limit(const TransformerConfig& config, const Tokenizer& tokenizer,
                                      bool encoder_only = false);

/// What bounds the work on one text.
struct InputOptions {
  /// Most tokens of a text or a pair, special ones included, within what the model takes; where it
  /// sets no limit, default_max_input_tokens. Texts of far more bytes are refused before they are
  /// encoded. What is read in windows (a stride, contexts of questions) may have more.
  std::optional<std::int64_t> max_input_tokens = {};
  /// Ends the work with an Error (interrupted) once it is set.
  const std::atomic<bool>* interrupt = nullptr;
};

/// Makes TextTokens for one model. Immutable; refers to the tokenizer.
class TextEncoder {
 public:
  /// With token_limit().
  TextEncoder(const Tokenizer& tokenizer, const TransformerConfig& config, InputOptions input = {})
      : TextEncoder(tokenizer, config, token_limit(config, tokenizer), input) {}
  /// With a limit of the caller's. Throws Error (invalid_option) when nothing fits in it.
  TextEncoder(const Tokenizer& tokenizer, const TransformerConfig& config,
              std::optional<TokenLimit> limit, InputOptions input = {});

  /// Most tokens of a text; nothing when there is no limit.
  const std::optional<TokenLimit>& limit() const { return limit_; }
  /// Special tokens that are added to a text or to a pair.
  std::int64_t added(bool pair) const;

  /// All tokens, however many (of 16 MiB). Throws Error (invalid_input) when a text has none, or is
  /// not UTF-8; `names` are the texts' own for this sentence.
  TextTokens encode(std::string_view text) const;
  /// The same for a pair.
  TextTokens encode(std::string_view first, std::string_view second,
                    std::pair<const char*, const char*> names = {"the text",
                                                                 "the second text"}) const;
  /// The tokens within limit(), cut if need be and then marked as truncated. Throws Error:
  /// context_overflow when they are too many and must not be cut, and as above.
  TextTokens encode(const TaskText& text, Truncation truncation) const;

  /// Only these tokens of the texts, counted from each text's own first token, between the same
  /// special tokens: windows of long texts are made with it.
  TextTokens cut(const TextTokens& tokens, Range first, Range second = {}) const;

 private:
  /// The special tokens around the texts, with their segments.
  struct Layout {
    Encoding before, between, after;
    std::int32_t first_type = 0, second_type = 0;
    std::int64_t size() const;
  };
  static Layout layout(const Tokenizer& tokenizer, bool pair);
  Encoding content(std::string_view text, const char* name) const;
  TextTokens join(const Encoding& first, Range first_range, const Encoding* second,
                  Range second_range) const;
  TextTokens fit(TextTokens tokens, Truncation truncation) const;

  const Tokenizer* tokenizer_;
  std::optional<TokenLimit> limit_;
  const std::atomic<bool>* interrupt_ = nullptr;
  bool has_types_ = false;  // the model tells segments apart
  Layout single_, pair_;
};

}  // namespace llm
