// The streamer with real tokenizers: those of the fixtures, and those beside the project where
// they are present.
#include <filesystem>

#include "generation/toy.hpp"
#include "llm/generation/text_streamer.hpp"
#include "support/paths.hpp"
#include "support/shared_files.hpp"

namespace llm {
namespace {

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

// Whether both agree but for the end of the context, where a character may have been cut.
void check_stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, std::size_t given) {
  const std::span<const TokenId> all(ids);
  TextStreamer streamer(tokenizer, all.first(given));
  std::string pieces;
  for (const TokenId id : all.subspan(given)) {
    streamer.put(id);
    pieces += streamer.take();
  }
  streamer.finish();
  pieces += streamer.take();
  EXPECT_EQ(pieces, streamer.text());
  const std::string before = tokenizer.decode(all.first(given), {});
  const std::string whole = tokenizer.decode(all, {});
  if (whole.starts_with(before)) {
    EXPECT_EQ(pieces, whole.substr(before.size()));
  }
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
      check_stream(*tokenizer, ids, seed % 5);
    }
    for (const char* text :
         {"Hello  world, it's 5 o'clock.\n\n  Yes!", "na\xC3\xAFve \xF0\x9F\x98\x80",
          "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E \xCE\xB1\xCE\xB2"}) {
      const auto ids = tokenizer->encode(text).ids;
      check_stream(*tokenizer, ids, 0);
      check_stream(*tokenizer, ids, ids.size() / 2);
    }
  }
}

}  // namespace
}  // namespace llm
