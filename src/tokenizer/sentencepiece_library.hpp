// Google's sentencepiece library, which is named nowhere else: one model that cuts texts into
// pieces.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"

namespace llm::detail {

class SentencepieceLibrary {
 public:
  // A piece and the bytes [begin, end) of the text it stands for.
  struct Piece {
    std::string_view text;
    TokenId id = 0;
    std::size_t begin = 0, end = 0;
  };
  struct SpecialIds {  // -1: none
    TokenId bos = -1, eos = -1, unk = -1, pad = -1;
  };

  // `where` names the file. Throws Error (bad_format).
  SentencepieceLibrary(std::string_view bytes, const std::string& where);
  SentencepieceLibrary(SentencepieceLibrary&&) noexcept;
  ~SentencepieceLibrary();

  // Hands out the pieces of valid UTF-8 one by one.
  void encode(std::string_view text, const std::function<void(const Piece&)>& take) const;
  // Text of pieces as they are spelled; ones that the model does not know stay as they are.
  std::string decode(const std::vector<std::string>& pieces) const;
  // The same by ids, all of them known.
  std::string decode(const std::vector<TokenId>& ids) const;

  TokenId size() const;
  std::string token(TokenId id) const;
  bool is_control(TokenId id) const;
  bool is_byte(TokenId id) const;
  SpecialIds special() const;

 private:
  struct Processor;
  std::unique_ptr<Processor> processor_;
};

}  // namespace llm::detail
