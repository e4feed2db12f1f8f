// What a TextStreamer must give, by the definition alone: the whole text is decoded again after
// every token.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/generation/text_streamer.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm::test {

inline bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t size = lead < 0x80   ? 1
                             : lead < 0xC0 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                                           : 4;
    if (size == 0 || i + size > text.size()) return false;
    for (std::size_t k = 1; k < size; ++k) {
      if ((text[i + k] & 0xC0) != 0x80) return false;
    }
    i += size;
  }
  return true;
}

// What tokens say behind a context, and where the first stop string cut it.
struct DefinedText {
  std::vector<std::string> after;  // each token: the text so far; the last one is not cut
  std::string text, stop;
  std::size_t tokens_in_text = 0;
};

// nullopt where the context ends within a character, so that there is no such text.
inline std::optional<DefinedText> defined_text(const Tokenizer& tokenizer,
                                               std::span<const TokenId> ids, std::size_t given,
                                               const std::vector<std::string>& stops) {
  const std::string before = tokenizer.decode(ids.first(given), {});
  DefinedText defined;
  for (std::size_t count = given + 1; count <= ids.size() && defined.stop.empty(); ++count) {
    const std::string whole = tokenizer.decode(ids.first(count), {});
    if (!whole.starts_with(before)) return std::nullopt;
    defined.text = whole.substr(before.size());
    defined.after.push_back(defined.text);
    std::size_t first = std::string::npos;
    for (const std::string& stop : stops) {
      const std::size_t at = defined.text.find(stop);
      if (at >= first) continue;
      first = at;
      defined.stop = stop;
    }
    defined.text.resize(std::min(first, defined.text.size()));
  }
  // Those tokens behind which the text stands and stays.
  defined.tokens_in_text = defined.after.size();
  if (defined.stop.empty()) return defined;
  if (defined.text.empty()) defined.tokens_in_text = 0;
  while (defined.tokens_in_text > 1 &&
         defined.after[defined.tokens_in_text - 2].starts_with(defined.text)) {
    --defined.tokens_in_text;
  }
  return defined;
}

// Streams the tokens behind the first `given`. Returns whether a stop string came.
inline bool check_stream(const Tokenizer& tokenizer, std::span<const TokenId> ids,
                         std::size_t given, const std::vector<std::string>& stops) {
  TextStreamer streamer(tokenizer, ids.first(given), stops);
  std::vector<std::string> pieces;
  bool stopped = false;
  for (const TokenId id : ids.subspan(given)) {
    stopped = streamer.put(id);
    pieces.push_back(streamer.take());
    if (stopped) break;
  }
  streamer.finish();
  pieces.push_back(streamer.take());
  std::string streamed;
  for (const std::string& piece : pieces) {
    EXPECT_TRUE(is_utf8(piece));
    streamed += piece;
    EXPECT_TRUE(streamer.text().starts_with(streamed)) << streamed << " in " << streamer.text();
  }
  EXPECT_EQ(streamed, streamer.text());
  EXPECT_EQ(stopped, !streamer.stop().empty());
  if (const auto defined = defined_text(tokenizer, ids, given, stops)) {
    EXPECT_EQ(streamer.text(), defined->text);
    EXPECT_EQ(streamer.stop(), defined->stop);
    EXPECT_EQ(streamer.tokens_in_text(), defined->tokens_in_text);
  }
  return stopped;
}

// Stop strings that are hard to keep apart from the text: parts of it, longer and shorter ones, and
// ones that end otherwise. `random(n)` is below n.
template <typename Random>
std::vector<std::string> awkward_stops(const std::string& text, Random random) {
  std::vector<std::size_t> starts;  // of characters
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] & 0xC0) != 0x80) starts.push_back(i);
  }
  const std::size_t characters = starts.size() - 1;
  std::vector<std::string> stops;
  for (std::size_t i = random(4); i < 4 && characters > 0; ++i) {
    const std::size_t first = random(characters);
    const std::size_t count = 1 + random(std::min<std::size_t>(characters - first, 6));
    std::string stop = text.substr(starts[first], starts[first + count] - starts[first]);
    const std::size_t kind = random(4);
    if (kind == 1) stop += "?";             // never comes, but for its end
    if (kind == 2) stop += "\xEF\xBF\xBD";  // what broken characters become
    if (kind == 3) stop = stop + stop.substr(0, starts[first + 1] - starts[first]);
    stops.push_back(stop);
    if (random(3) == 0) stops.push_back(stop + stop);
  }
  return stops;
}

}  // namespace llm::test
