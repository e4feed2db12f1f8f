// Google's sentencepiece library, which is named nowhere else: it checks a model and makes text of
// pieces. Texts are cut by sentencepiece_steps.cpp, which says why.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"

namespace llm::detail {

class SentencepieceLibrary {
 public:
  struct SpecialIds {  // -1: none
    TokenId bos = -1, eos = -1, unk = -1, pad = -1;
  };

  // `where` names the file. Throws Error (bad_format).
  SentencepieceLibrary(std::string_view bytes, const std::string& where);
  SentencepieceLibrary(SentencepieceLibrary&&) noexcept;
  ~SentencepieceLibrary();

  // Text of pieces as they are spelled; ones that the model does not know stay as they are.
  std::string decode(const std::vector<std::string>& pieces) const;
  SpecialIds special() const;

 private:
  struct Processor;
  std::unique_ptr<Processor> processor_;
};

}  // namespace llm::detail
