// Tokens that are found in the text before the model sees it: special tokens and tokens added to a
// vocabulary later.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/json.hpp"
#include "tokenizer/byte_trie.hpp"
#include "tokenizer/normalizer.hpp"
#include "tokenizer/text.hpp"
#include "tokenizer/vocabulary.hpp"

namespace llm::detail {

struct AddedToken {
  std::string content;
  TokenId id = -1;           // filled in by AddedTokens
  bool special = false;      // skipped by decode()
  bool normalized = false;   // looked for in the normalized text
  bool lstrip = false;       // takes white space before it along
  bool rstrip = false;       // and behind it
  bool single_word = false;  // not inside a word
  bool in_text = true;       // looked for in texts at all
};

class AddedTokens {
 public:
  // A token that the model's vocabulary has keeps its id; others get the next free one, as in the
  // reference. A token that is there already is replaced. Throws Error (bad_format).
  void add(AddedToken token, const Vocabulary& model, const std::string& where);
  // Special tokens in texts are text from now on.
  void split_special() { splits_special_ = true; }
  // To be called once, after the last add().
  void finish(const Normalizer* normalizer, const std::string& where);

  // Cuts the tokens out of the text and normalizes what is between them.
  void extract(Pieces& pieces, const Normalizer* normalizer, Work& work) const;

  const AddedToken* find(TokenId id) const;
  const AddedToken* find(std::string_view content) const;
  // How the token is spelled for the decoder: normalized, when it is looked for normalized.
  std::string_view spelling(const AddedToken& token) const;
  bool is_special(std::string_view spelled) const {
    return special_.contains(std::string(spelled));
  }
  // One past the largest id.
  TokenId size() const { return size_; }
  const std::unordered_map<TokenId, AddedToken>& all() const { return by_id_; }

 private:
  void cut(std::string_view text, const ByteTrie& trie, std::vector<Pieces::Match>& parts,
           Work& work) const;

  std::unordered_map<TokenId, AddedToken> by_id_;
  std::unordered_map<std::string, TokenId> ids_;
  std::unordered_map<TokenId, std::string> normalized_;  // where it differs from the content
  std::unordered_set<std::string> special_;
  ByteTrie plain_trie_, normalized_trie_;
  bool has_normalized_ = false;
  bool splits_special_ = false;
  TokenId size_ = 0;
};

// Reads one entry of "added_tokens" or of "added_tokens_decoder".
AddedToken read_added_token(const Json& json, const std::string& where);

}  // namespace llm::detail
