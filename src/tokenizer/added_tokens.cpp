#include "tokenizer/added_tokens.hpp"

#include <algorithm>

#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"

namespace llm::detail {
namespace {

// The code point that ends at byte `end`.
char32_t code_point_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && is_utf8_continuation(text[at])) --at;
  return decode_utf8(text, at).value;
}

std::size_t skip_spaces_back(std::string_view text, std::size_t end, std::size_t first) {
  while (end > first) {
    const char32_t c = code_point_before(text, end);
    if (!is_whitespace(c)) break;
    end -= utf8_length(c);
  }
  return end;
}

std::size_t skip_spaces(std::string_view text, std::size_t at) {
  while (at < text.size() && is_whitespace(decode_utf8(text, at).value)) {
    at += decode_utf8(text, at).bytes;
  }
  return at;
}

bool is_inside_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin > 0 && is_word(code_point_before(text, begin))) ||
         (end < text.size() && is_word(decode_utf8(text, end).value));
}

}  // namespace

void AddedTokens::add(AddedToken token, const Vocabulary& model, const std::string& where) {
  if (token.content.empty()) return;
  const auto known = ids_.find(token.content);
  const auto in_model = model.find(token.content);
  const auto next = std::max(size_, static_cast<TokenId>(model.count()));
  const TokenId id = known != ids_.end() ? known->second : in_model ? *in_model : next;
  if (id >= Vocabulary::max_ids) {
    throw Error(ErrorCode::bad_format, where + ": too many added tokens", where);
  }
  token.id = id;
  size_ = std::max(size_, id + 1);
  ids_[token.content] = id;
  if (token.special) special_.insert(token.content);
  by_id_[id] = std::move(token);
}

void AddedTokens::finish(const Normalizer* normalizer, const std::string& where) {
  std::size_t bytes = 0;
  for (const auto& [id, token] : by_id_) bytes += token.content.size();
  Work work(bytes, where, ErrorCode::bad_format);
  for (const auto& [id, token] : by_id_) {
    if (!token.in_text) continue;
    if (!token.normalized) {
      plain_trie_.insert(token.content, id);
      continue;
    }
    AlignedText text;
    text.assign(token.content, 0);
    if (normalizer != nullptr) normalizer->apply(text, work);
    if (text.text != token.content) normalized_[id] = text.text;
    if (!text.text.empty()) normalized_trie_.insert(text.text, id);
    has_normalized_ = true;
  }
}

void AddedTokens::extract(Pieces& pieces, const Normalizer* normalizer, Work& work) const {
  const auto cut_by = [&](const ByteTrie& trie) {
    pieces.split([&](std::string_view text, std::vector<Pieces::Match>& parts) {
      cut(text, trie, parts, work);
    });
  };
  if (!by_id_.empty()) cut_by(plain_trie_);
  if (normalizer != nullptr) {
    pieces.rewrite([&](AlignedText& text) { normalizer->apply(text, work); });
  }
  if (has_normalized_) cut_by(normalized_trie_);
}

void AddedTokens::cut(std::string_view text, const ByteTrie& trie,
                      std::vector<Pieces::Match>& parts, Work& work) const {
  std::size_t done = 0;
  const auto part = [](std::size_t begin, std::size_t end, TokenId added) {
    return Pieces::Match{static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), false,
                         added};
  };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;  // of the longest token that begins here
    TokenId id = Piece::none;
    std::uint32_t node = ByteTrie::root;
    std::size_t i = at;
    for (; i < text.size(); ++i) {
      node = trie.child(node, static_cast<unsigned char>(text[i]));
      if (node == ByteTrie::no_node) break;
      if (trie.value(node) == ByteTrie::no_value) continue;
      id = trie.value(node);
      end = i + 1;
    }
    work.look(i - at);
    if (id == Piece::none) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    at = end;  // also when the match is refused
    const AddedToken& token = by_id_.at(id);
    if (splits_special_ && is_special(token.content)) continue;
    if (token.single_word && is_inside_word(text, begin, end)) continue;
    if (token.lstrip) begin = skip_spaces_back(text, begin, done);
    if (token.rstrip) end = skip_spaces(text, end);
    work.look(end - at);  // several tokens may take the same spaces along
    if (done < begin) parts.push_back(part(done, begin, Piece::none));
    parts.push_back(part(begin, end, id));
    done = end;
  }
  if (done != text.size()) parts.push_back(part(done, text.size(), Piece::none));
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? nullptr : find(found->second);
}

std::string_view AddedTokens::spelling(const AddedToken& token) const {
  const auto found = normalized_.find(token.id);
  return found == normalized_.end() ? token.content : found->second;
}

AddedToken read_added_token(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  AddedToken token;
  token.content = fields.string("content");
  token.special = fields.boolean_or("special", false);
  token.normalized = fields.boolean_or("normalized", !token.special);
  token.lstrip = fields.boolean_or("lstrip", false);
  token.rstrip = fields.boolean_or("rstrip", false);
  token.single_word = fields.boolean_or("single_word", false);
  return token;
}

}  // namespace llm::detail
