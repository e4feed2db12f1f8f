// The streamer against the definition of its text: decode(context + new) without decode(context).
#include <random>

#include "generation/stream_check.hpp"
#include "generation/toy.hpp"
#include "llm/generation/text_streamer.hpp"

namespace llm {
namespace {

using test::check_stream;

// Words with spaces, lone spaces, the bytes of a character of four bytes, others, a special, an id
// without a token.
toy::Words awkward(bool strip, bool byte_runs) {
  toy::Words tokenizer({" a", "b", " ", "  ", "\n", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>",
                        "<0xC3>", "<0xA4>", "<0x0A>", "\xE2\x82\xAC", "</s>", "<0x41>", ""});
  tokenizer.specials = {13};
  tokenizer.strip = strip;
  tokenizer.byte_runs = byte_runs;
  return tokenizer;
}

// What cleaning up looks at, in pieces.
toy::Words cleaning() {
  toy::Words tokenizer({" ",  "  ", "'",   " '", "n",      " n",     "'t",   "t",
                        "v",  "r",  "e",   "s",  " m",     ".",      ",",    " ,",
                        "? ", "!",  " ' ", "x",  "<0xF0>", "<0x9F>", "</s>", ""});
  tokenizer.specials = {22};
  tokenizer.clean_up = true;
  return tokenizer;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t operator()(std::size_t below) { return engine_() % below; }

 private:
  std::mt19937_64 engine_;
};

std::vector<TokenId> random_ids(const toy::Words& tokenizer, std::size_t count, Random& random) {
  std::vector<TokenId> ids;
  const std::vector<TokenId> smile{5, 6, 7, 8};  // often the bytes come in their order
  while (ids.size() < count) {
    if (random(6) == 0) {
      ids.insert(ids.end(), smile.begin(), smile.end());
    } else {
      ids.push_back(static_cast<TokenId>(random(tokenizer.words.size())));
    }
  }
  return ids;
}

TEST(TextStreamer, PiecesMakeUpTheText) {
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const toy::Words tokenizer = awkward(seed & 1, seed & 2);
    const auto ids = random_ids(tokenizer, 4 + seed % 40, random);
    EXPECT_FALSE(check_stream(tokenizer, ids, seed % 4, {}));
    if (testing::Test::HasFailure()) return;
  }
}

// The same with stop strings, whole and in part in the text: it ends before the first of them.
TEST(TextStreamer, StopStringsEndTheText) {
  int stopped = 0;
  for (std::uint64_t seed = 0; seed < 12000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const toy::Words tokenizer = seed % 3 == 2 ? cleaning() : awkward(seed & 1, seed & 2);
    const auto ids = random_ids(tokenizer, 4 + seed % 40, random);
    const std::size_t given = tokenizer.clean_up ? 0 : seed % 4;
    const auto stops = test::awkward_stops(tokenizer.decode(ids, {}), random);
    stopped += check_stream(tokenizer, ids, given, stops);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(stopped, 4000);
}

// Characters of a stop string whose bytes are tokens of their own.
TEST(TextStreamer, HoldsBackTheBeginningOfAStopBehindWhichACharacterBegins) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) {
    char token[8];
    std::snprintf(token, sizeof token, "<0x%02X>", byte);
    bytes.emplace_back(token);
  }
  toy::Words tokenizer(std::move(bytes));
  for (const bool runs : {false, true}) {
    tokenizer.byte_runs = runs;
    for (const std::string stop :
         {"\u56db\u5341\u4e8c", "\U0001F600\U0001F600", "\u273fRESULT\u273f"}) {
      for (std::size_t cut = 0; cut <= stop.size(); ++cut) {
        const std::string text = "\u7b54\u6848\u662f" + stop.substr(0, cut);
        std::vector<TokenId> ids;
        for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
        EXPECT_EQ(check_stream(tokenizer, ids, 0, {stop}), cut == stop.size());
      }
    }
  }
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
