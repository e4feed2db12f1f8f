// Byte pair encoding: symbols are merged pair by pair, the pair that was learnt first before all
// others. Sennrich et al. 2016 (arxiv.org/abs/1508.07909); details as in huggingface/tokenizers.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/model.hpp"

namespace llm::detail {

struct BpeOptions {
  std::string unk_token;                  // empty: unknown symbols are dropped
  std::string continuing_subword_prefix;  // in front of every symbol but the first of a piece
  std::string end_of_word_suffix;         // behind the last symbol of a piece
  bool fuse_unk = false;                  // one unknown token for a run of unknown symbols
  bool byte_fallback = false;             // unknown symbols become "<0xNN>" for each byte
  bool ignore_merges = false;             // a piece that is a token is that token
};

// What two neighbours become, and when: lower ranks first.
struct Merge {
  std::uint32_t rank = 0;
  TokenId id = 0;
};

// (left, right) -> Merge, one flat hash table.
class MergeTable {
 public:
  explicit MergeTable(std::size_t count);
  void insert(TokenId left, TokenId right, Merge merge);
  const Merge* find(TokenId left, TokenId right) const {
    const std::uint64_t key = key_of(left, right);
    for (std::size_t slot = hash(key) & mask_;; slot = (slot + 1) & mask_) {
      if (slots_[slot].key == key) return &slots_[slot].merge;
      if (slots_[slot].key == free_slot) return nullptr;
    }
  }

 private:
  struct Slot {
    std::uint64_t key = free_slot;
    Merge merge;
  };
  static constexpr std::uint64_t free_slot = ~std::uint64_t{0};
  static std::uint64_t key_of(TokenId left, TokenId right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32U) |
           static_cast<std::uint32_t>(right);
  }
  static std::size_t hash(std::uint64_t key) {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ULL) >> 24U);
  }
  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

// For vocabularies with scores instead of merges: any two tokens that make a third one for which
// may_merge says true (all when it is empty) may be merged, that of the best score first.
MergeTable merges_by_score(const Vocabulary& vocabulary, const std::vector<double>& scores,
                           const std::vector<bool>& may_merge);

class Bpe final : public TokenModel {
 public:
  using Merges = std::vector<std::pair<std::string_view, std::string_view>>;
  // Throws Error (bad_format) when a merge uses or makes a token that is not in the vocabulary.
  Bpe(Vocabulary vocabulary, const Merges& merges, BpeOptions options, const std::string& where);
  // The same with merges already looked up, for vocabularies that come with scores.
  Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options);

  void encode(std::string_view piece, bool raw_bytes, ModelScratch* scratch,
              std::vector<ModelToken>& out, Work& work) const override;
  std::unique_ptr<ModelScratch> make_scratch() const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  bool takes_raw_bytes() const override { return takes_raw_bytes_; }
  std::string_view name() const override { return "BPE"; }
  std::string_view continuing_prefix() const override { return options_.continuing_subword_prefix; }

 private:
  struct Symbol {
    TokenId id;
    std::uint32_t length;  // in bytes of the piece; 0 when merged away
    std::int32_t previous, next;
  };
  struct Scratch;

  void find_symbols();
  void split_bytes(std::string_view piece, std::vector<Symbol>& symbols) const;
  void split_code_points(std::string_view piece, std::vector<Symbol>& symbols, Work& work) const;
  bool add_byte_fallback(std::string_view symbol, std::vector<Symbol>& symbols) const;
  void merge_short(std::vector<Symbol>& symbols, std::vector<std::uint32_t>& ranks) const;
  void merge_long(std::vector<Symbol>& symbols, Work& work) const;
  void encode_uncached(std::string_view piece, bool raw_bytes, Scratch& scratch,
                       std::vector<ModelToken>& out, Work& work) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  TokenId unk_ = -1;
  std::array<TokenId, 256> byte_ids_{};       // of the letter of each byte
  std::array<TokenId, 256> last_byte_ids_{};  // the same at the end of a piece
  std::array<TokenId, 256> fallback_ids_{};   // of "<0xNN>"
  bool takes_raw_bytes_ = false;
};

// Reads a "model" of type BPE.
std::unique_ptr<TokenModel> read_bpe(const Json& json, const std::string& where);

}  // namespace llm::detail
