/// \file
/// Token ids to text, one at a time: last station of the line. Emits only complete UTF-8 that no
/// later token can change, and holds back what a stop string may still swallow.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// The text of one growing sequence. The text is what the new tokens add to the text of the
/// context: decode(context + new) without decode(context), so a leading space survives.
///
/// After put() returns a stop or after finish(), the concatenation of all taken pieces equals
/// text().
class TextStreamer {
 public:
  /// `context`: the tokens before the first new one (a decoder's prompt; empty for an
  /// encoder-decoder). `stop_strings` must not be empty strings. The tokenizer must outlive this.
  TextStreamer(const Tokenizer& tokenizer, std::span<const TokenId> context,
               std::vector<std::string> stop_strings = {});

  /// Adds a token. Returns whether the text now contains a stop string: then text() ends before it,
  /// stop() is that string, and no more tokens may follow.
  bool put(TokenId id);
  /// No more tokens will come: everything held back is released.
  void finish();

  /// What became certain since the last call; whole characters.
  std::string take();

  /// The text so far, with its uncertain end; ends before the stop string once there is one.
  const std::string& text() const { return text_; }
  /// The stop string that ended the text; empty when there is none.
  const std::string& stop() const { return stop_; }
  /// How many of the tokens the text consists of: all, unless a stop string cut some off.
  std::size_t tokens_in_text() const;

 private:
  std::string decode(std::size_t first) const;
  bool is_byte_token(TokenId id) const;
  bool is_skipped(TokenId id) const;
  bool may_change(std::string_view text) const;
  void set_end(std::string_view end);
  void settle(std::string all);
  bool find_stop(std::size_t from);

  const Tokenizer* tokenizer_;
  bool cleans_up_;
  std::vector<std::string> stop_strings_;
  std::vector<TokenId> ids_;           // end of the context, then all new tokens
  std::size_t window_ = 0;             // first token that is still decoded
  std::size_t settled_ = 0;            // tokens before this have text that cannot change
  std::string window_text_;            // text of the tokens from window_ to settled_
  std::string open_;                   // what the end of text_ that may change is made from:
  std::size_t open_settled_ = 0;       // so many bytes by tokens before settled_
  std::string text_;                   // all new text so far
  std::size_t stable_ = 0;             // bytes of text_ that cannot change
  std::size_t taken_ = 0;              // bytes of text_ that were handed out
  std::vector<std::size_t> text_end_;  // bytes of text_ that the tokens up to each one make up
  std::string stop_;
  bool finished_ = false;
};

}  // namespace llm
