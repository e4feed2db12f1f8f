/// \file
/// Token ids to text, one at a time. Releases only complete UTF-8 that no later token can change,
/// and holds back what may be the beginning of a stop string.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// The text of one growing sequence: what the new tokens add to the text of the context. It is
/// decode(context + new) without decode(context), so that a leading space stays.
///
/// Once put() has returned true, or after finish(), all taken pieces together equal text().
class TextStreamer {
 public:
  /// `context`: the tokens before the first new one (a decoder's prompt; empty for an
  /// encoder-decoder). No stop string may be empty. The tokenizer must outlive the streamer.
  TextStreamer(const Tokenizer& tokenizer, std::span<const TokenId> context,
               std::vector<std::string> stop_strings = {});

  /// Adds a token. Returns whether the text now has a stop string: text() then ends before it,
  /// stop() is that string, and no token may follow.
  bool put(TokenId id);
  /// Says that no token will follow: releases all that was held back.
  void finish();

  /// The text that became final since the last call; whole characters.
  std::string take();

  /// The text so far, with the end that may still change; once there is a stop string, up to it.
  const std::string& text() const { return text_; }
  /// The stop string that ended the text; empty when there is none.
  const std::string& stop() const { return stop_; }
  /// How many of the tokens make up the text: all, unless a stop string cut some off.
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
  std::vector<TokenId> ids_;           // the end of the context, then all new tokens
  std::size_t window_ = 0;             // the first token that is still decoded again
  std::size_t settled_ = 0;            // the text of the tokens before this cannot change
  std::string window_text_;            // the text of the tokens from window_ to settled_
  std::string open_;                   // what the changeable end of text_ is made from:
  std::size_t open_settled_ = 0;       // so many bytes of it are from tokens before settled_
  std::string text_;                   // all new text
  std::size_t stable_ = 0;             // bytes of text_ that cannot change
  std::size_t taken_ = 0;              // bytes of text_ that have been taken
  std::vector<std::size_t> text_end_;  // for each token: bytes of text_ up to its end
  std::string stop_;
  bool finished_ = false;
};

}  // namespace llm
