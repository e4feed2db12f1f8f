// Decoders: the spelled tokens of a sequence -> text.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "tokenizer/work.hpp"

namespace llm::detail {

class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  // Changes the tokens in place; the text is their concatenation after the last step.
  void apply(std::vector<std::string>& tokens, Work& work) const;
  // What errors call the step.
  void set_where(std::string where) { where_ = std::move(where); }

 protected:
  // A step that makes a text much longer tells `work` before it does.
  virtual void run(std::vector<std::string>& tokens, Work& work) const = 0;

 private:
  std::string where_;
};

// Reads the "decoder" of a tokenizer.json. Throws Error (unsupported, bad_format).
std::unique_ptr<TokenDecoder> read_decoder(const Json& json, const std::string& where);

std::unique_ptr<TokenDecoder> make_byte_level_decoder();
// "▁" becomes a space, "<0xNN>" a byte, and the first space is dropped: as llama's file does.
std::unique_ptr<TokenDecoder> make_sentencepiece_decoder(bool strip_first_space);

// Every `from` in the text becomes `to`; an empty `from` is nowhere.
std::string replace_all(const std::string& text, std::string_view from, std::string_view to);

// Takes the spaces away that word-by-word decoding leaves before punctuation and contractions.
// `do_not` also shortens " do not", as the WordPiece decoder does.
std::string clean_up_spaces(std::string text, bool do_not);
// How many of the first bytes are cleaned up, without `do_not`, in the same way whatever follows
// them.
std::size_t closed_to_clean_up(std::string_view text);

}  // namespace llm::detail
