// The streamer against the definition of its text: decode(context + new) without decode(context).
#include "generation/toy.hpp"
#include "llm/generation/text_streamer.hpp"

namespace llm {
namespace {

bool is_utf8(std::string_view text) {
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

// Words with spaces, lone spaces, the bytes of a character of four bytes, others, and a special.
toy::Words awkward(bool strip, bool byte_runs) {
  toy::Words tokenizer({" a", "b", " ", "  ", "\n", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>",
                        "<0xC3>", "<0xA4>", "<0x0A>", "\xE2\x82\xAC", "</s>", "<0x41>"});
  tokenizer.specials = {13};
  tokenizer.strip = strip;
  tokenizer.byte_runs = byte_runs;
  return tokenizer;
}

std::vector<TokenId> random_ids(std::uint64_t seed, std::size_t count) {
  std::vector<TokenId> ids;
  const std::vector<TokenId> smile{5, 6, 7, 8};  // often the bytes come in their order
  for (std::uint64_t i = 0; ids.size() < count; ++i) {
    const TokenId place = static_cast<TokenId>(seed * 1000003 + i);
    const double r = toy::hash01(std::span(&place, 1), seed);
    if (r < 0.15) {
      ids.insert(ids.end(), smile.begin(), smile.end());
    } else {
      ids.push_back(static_cast<TokenId>(r * 1e6) % 15);
    }
  }
  return ids;
}

TEST(TextStreamer, PiecesMakeUpTheText) {
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const toy::Words tokenizer = awkward(seed & 1, seed & 2);
    const auto ids = random_ids(seed, 4 + seed % 40);
    const std::size_t given = seed % 4;
    const std::span<const TokenId> all(ids);
    TextStreamer streamer(tokenizer, all.first(given));
    std::string pieces;
    for (const TokenId id : all.subspan(given)) {
      EXPECT_FALSE(streamer.put(id));
      const std::string piece = streamer.take();
      EXPECT_TRUE(is_utf8(piece));
      pieces += piece;
    }
    streamer.finish();
    pieces += streamer.take();
    EXPECT_EQ(pieces, streamer.text());
    const std::string before = tokenizer.decode(all.first(given), {});
    const std::string whole = tokenizer.decode(all, {});
    if (whole.starts_with(before)) {  // else the context ended within a character
      ASSERT_EQ(pieces, whole.substr(before.size())) << "seed " << seed;
    }
    EXPECT_EQ(streamer.tokens_in_text(), ids.size() - given);
  }
}

// The same with stop strings: the text ends before the first of them.
TEST(TextStreamer, StopStringsEndTheText) {
  const std::vector<std::string> stops{"b a", "\n\n",
                                       "\xE2\x82\xAC"
                                       "b",
                                       " b"};
  std::size_t stopped = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const toy::Words tokenizer = awkward(seed & 1, seed & 2);
    const auto ids = random_ids(seed, 30);
    TextStreamer streamer(tokenizer, {}, stops);
    std::string pieces;
    std::size_t used = 0;
    for (const TokenId id : ids) {
      ++used;
      const bool stop = streamer.put(id);
      pieces += streamer.take();
      if (stop) break;
    }
    streamer.finish();
    pieces += streamer.take();
    EXPECT_EQ(pieces, streamer.text());
    const std::string whole = tokenizer.decode(std::span(ids).first(used), {});
    std::size_t first = std::string::npos;
    for (const auto& stop : stops) first = std::min(first, whole.find(stop));
    EXPECT_EQ(first == std::string::npos, streamer.stop().empty()) << seed;
    ASSERT_EQ(pieces, whole.substr(0, first)) << seed;
    stopped += !streamer.stop().empty();
  }
  EXPECT_GT(stopped, 1000u);
}

TEST(TextStreamer, KeepsTheLeadingSpaceAfterAContext) {
  const toy::Words tokenizer = awkward(true, true);
  TextStreamer after(tokenizer, std::vector<TokenId>{0});
  after.put(0);
  EXPECT_EQ(after.text(), " a");
  TextStreamer alone(tokenizer, {});
  alone.put(0);
  EXPECT_EQ(alone.text(), "a");
}

TEST(TextStreamer, HoldsBackNoMoreThanAStopStringNeeds) {
  const toy::Words tokenizer = toy::letters();
  TextStreamer streamer(tokenizer, {}, {"bcd", "ce"});
  const auto put = [&](std::string_view letter) {
    streamer.put(*tokenizer.id(letter));
    return streamer.take();
  };
  EXPECT_EQ(put("a"), "a");
  EXPECT_EQ(put("b"), "");
  EXPECT_EQ(put("c"), "");
  EXPECT_EQ(put("c"), "bc");
  EXPECT_EQ(put("a"), "ca");
  EXPECT_EQ(put("c"), "");
  EXPECT_EQ(put("e"), "");
  EXPECT_EQ(streamer.stop(), "ce");
  EXPECT_EQ(streamer.text(), "abcca");
  EXPECT_EQ(streamer.tokens_in_text(), 5u);
}

}  // namespace
}  // namespace llm
