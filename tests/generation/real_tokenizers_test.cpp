// The streamer with real tokenizers: those of the fixtures, and those beside the project where
// they are present.
#include <filesystem>
#include <random>

#include "generation/stream_check.hpp"
#include "generation/toy.hpp"
#include "llm/generation/text_streamer.hpp"
#include "support/paths.hpp"
#include "support/shared_files.hpp"
#include "support/temp_dir.hpp"

namespace llm {
namespace {

using test::check_stream;

// Every folder below `parent` with a tokenizer in it.
std::vector<std::filesystem::path> tokenizers_in(const std::filesystem::path& parent) {
  std::vector<std::filesystem::path> found;
  if (!std::filesystem::is_directory(parent)) return found;
  for (const auto& entry : std::filesystem::directory_iterator(parent)) {
    for (const char* name : {"tokenizer.json", "spiece.model", "tokenizer.model", "vocab.json"}) {
      if (!exists(entry.path() / name)) continue;
      found.push_back(entry.path());
      break;
    }
  }
  std::ranges::sort(found);
  return found;
}

// Random tokens, with runs of byte tokens where the vocabulary has them.
std::vector<TokenId> random_ids(const Tokenizer& tokenizer, std::uint64_t seed, std::size_t count) {
  const auto first_byte = tokenizer.id("<0x00>");
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < count; ++i) {
    const TokenId place = static_cast<TokenId>(seed * 1000 + i);
    const double r = toy::hash01(std::span(&place, 1), seed);
    if (first_byte && toy::hash01(std::span(&place, 1), 77) < 0.3) {
      ids.push_back(*first_byte + static_cast<TokenId>(r * 255));
    } else {
      ids.push_back(static_cast<TokenId>(r * (tokenizer.vocab_size() - 1)));
    }
  }
  return ids;
}

TEST(TextStreamer, RealTokenizers) {
  auto folders = tokenizers_in(test::models_dir());
  for (const auto& folder : tokenizers_in(test::shared_files() / "tokenizers")) {
    folders.push_back(folder);
  }
  ASSERT_FALSE(folders.empty());
  for (const auto& folder : folders) {
    SCOPED_TRACE(folder.string());
    const auto tokenizer = Tokenizer::open(folder);
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
      const auto ids = random_ids(*tokenizer, seed, 5 + seed % 30);
      check_stream(*tokenizer, ids, seed % 5, {});
      std::mt19937_64 engine(seed);
      check_stream(*tokenizer, ids, seed % 5,
                   test::awkward_stops(tokenizer->decode(ids),
                                       [&](std::size_t below) { return engine() % below; }));
    }
    for (const char* text :
         {"Hello  world, it's 5 o'clock.\n\n  Yes!", "na\xC3\xAFve \xF0\x9F\x98\x80",
          "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E \xCE\xB1\xCE\xB2"}) {
      const auto ids = tokenizer->encode(text).ids;
      check_stream(*tokenizer, ids, 0, {});
      check_stream(*tokenizer, ids, ids.size() / 2, {});
    }
  }
}

// T5's tokens of "hello , world do n't ' s  ! ve ", each space and sign by itself.
TEST(TextStreamer, CleansUpSpacesAsTheReferenceDoes) {
  const test::TempDir folder;
  const auto t5 = test::models_dir() / "t5-v1_0";
  std::filesystem::copy(t5 / "tokenizer.json", folder.path());
  std::filesystem::copy(t5 / "config.json", folder.path());
  folder.write("tokenizer_config.json",
               R"({"tokenizer_class": "T5Tokenizer", "clean_up_tokenization_spaces": true})");
  const auto tokenizer = Tokenizer::open(folder.path());
  const std::vector<TokenId> ids{29, 9, 3,  35, 21, 9, 12, 4,   10, 9,
                                 4,  9, 55, 9,  9,  5, 9,  117, 33, 9};
  TextStreamer streamer(*tokenizer, {});
  for (const TokenId id : ids) streamer.put(id);
  EXPECT_EQ(streamer.text(), "hello, world don't's ! ve ");
  EXPECT_FALSE(check_stream(*tokenizer, ids, 0, {}));
  EXPECT_TRUE(check_stream(*tokenizer, ids, 0, {"don't"}));
  EXPECT_FALSE(check_stream(*tokenizer, ids, 0, {"do n't", "'s  !"}));
}

}  // namespace
}  // namespace llm
