// Unigram language model: the split of a piece whose tokens have the largest sum of scores.
// Kudo 2018 (arxiv.org/abs/1804.10959); ties and unknown text as in huggingface/tokenizers.
#pragma once

#include <array>
#include <limits>
#include <optional>

#include "tokenizer/byte_trie.hpp"
#include "tokenizer/model.hpp"

namespace llm::detail {

struct UnigramOptions {
  std::int64_t unk = -1;  // the unknown token; -1: none
  bool byte_fallback = false;
  // As sentencepiece does it: paths are compared in single precision, a code point that falls back
  // to bytes does so on its own, and unknown text stays unknown.
  bool is_sentencepiece = false;
  std::optional<double> lowest_score = {};  // of normal tokens; absent: of all
};

class Unigram final : public TokenModel {
 public:
  // The score of a token that no text becomes.
  static constexpr double never = -std::numeric_limits<double>::infinity();

  // Scores are by id. Throws Error (bad_format) when the numbers do not fit together.
  Unigram(Vocabulary vocabulary, std::vector<double> scores, const UnigramOptions& options,
          const std::string& where);

  void encode(std::string_view piece, bool raw_bytes, ModelScratch* scratch,
              std::vector<ModelToken>& out, Work& work) const override;
  std::unique_ptr<ModelScratch> make_scratch() const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view name() const override { return "Unigram"; }

 private:
  // The best split of the bytes before a position: where its last token begins, and which it is.
  struct Node {
    double score = 0;
    std::uint32_t begin = none;
    TokenId id = 0;
  };
  static constexpr std::uint32_t none = 0xFFFFFFFFU;
  struct Scratch;

  void search(std::string_view piece, std::vector<Node>& nodes, Work& work) const;
  void add_token(std::string_view piece, ModelToken token, std::vector<ModelToken>& out) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  ByteTrie trie_;
  std::array<TokenId, 256> byte_ids_{};  // of "<0xNN>", all -1 without byte fallback
  TokenId unk_;
  double unk_score_ = 0;
  bool is_sentencepiece_;
  bool fuses_unk_ = true;  // unknown code points in a row are one token
  std::string where_;
};

// Reads a "model" of type Unigram.
std::unique_ptr<TokenModel> read_unigram(const Json& json, const std::string& where);

}  // namespace llm::detail
