#include "tokenizer/unigram.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "llm/core/error.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

constexpr double unk_penalty = 10.0;  // an unknown code point is this much worse than any token

}  // namespace

struct Unigram::Scratch final : ModelScratch {
  std::vector<Node> nodes;
  std::vector<ModelToken> path;
};

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores, const UnigramOptions& options,
                 const std::string& where)
    : vocabulary_(std::move(vocabulary)),
      scores_(std::move(scores)),
      unk_(static_cast<TokenId>(options.unk)),
      is_sentencepiece_(options.is_sentencepiece),
      where_(where) {
  const std::int64_t unk = options.unk;
  if (unk < -1 || unk >= vocabulary_.size()) {
    throw Error(ErrorCode::bad_format,
                where + ": unk_id is " + std::to_string(unk) + ", expected an id below " +
                    std::to_string(vocabulary_.size()),
                where);
  }
  double lowest = std::numeric_limits<double>::infinity();
  for (TokenId id = 0; id < vocabulary_.size(); ++id) {
    const double score = scores_[static_cast<std::size_t>(id)];
    if (!vocabulary_.contains(id) || score == never) continue;
    if (!std::isfinite(score)) {
      throw Error(ErrorCode::bad_format,
                  where + ": the score of token " + std::to_string(id) + " is not a finite number",
                  where);
    }
    lowest = std::min(lowest, score);
    const std::string_view token = vocabulary_.token(id);
    if (!token.empty()) trie_.insert(token, id);
  }
  lowest = options.lowest_score.value_or(lowest);
  unk_score_ = (std::isfinite(lowest) ? lowest : 0) - unk_penalty;
  fuses_unk_ = !(options.is_sentencepiece && options.byte_fallback);
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] =
        options.byte_fallback
            ? vocabulary_.find(byte_fallback_token(static_cast<unsigned char>(byte))).value_or(-1)
            : -1;
  }
}

std::unique_ptr<ModelScratch> Unigram::make_scratch() const { return std::make_unique<Scratch>(); }

void Unigram::encode(std::string_view piece, bool /*raw_bytes*/, ModelScratch* scratch,
                     std::vector<ModelToken>& out, Work& work) const {
  auto& own = static_cast<Scratch&>(*scratch);
  search(piece, own.nodes, work);
  own.path.clear();
  for (auto end = static_cast<std::uint32_t>(piece.size()); end > 0;) {
    const Node& node = own.nodes[end];
    // Unknown code points in a row are one unknown token.
    if (node.id == unk_ && fuses_unk_ && !own.path.empty() && own.path.back().id == unk_) {
      own.path.back().begin = node.begin;
    } else {
      own.path.push_back({node.id, node.begin, end});
    }
    end = node.begin;
  }
  for (auto token = own.path.rbegin(); token != own.path.rend(); ++token) {
    add_token(piece, *token, out);
  }
}

void Unigram::search(std::string_view piece, std::vector<Node>& nodes, Work& work) const {
  nodes.assign(piece.size() + 1, Node{});
  const auto offer = [&](std::size_t begin, std::size_t end, double score, TokenId id) {
    Node& node = nodes[end];
    if (is_sentencepiece_) score = static_cast<float>(score);
    if (node.begin != none && score <= node.score) return;
    node = {score, static_cast<std::uint32_t>(begin), id};
  };
  for (std::size_t begin = 0; begin < piece.size();) {
    const double so_far = nodes[begin].score;
    const std::size_t next = begin + decode_utf8(piece, begin).bytes;
    bool has_single = false;  // whether the one code point is a token
    std::uint32_t node = ByteTrie::root;
    std::size_t at = begin;
    for (; at < piece.size(); ++at) {
      node = trie_.child(node, static_cast<unsigned char>(piece[at]));
      if (node == ByteTrie::no_node) break;
      const TokenId id = trie_.value(node);
      if (id == ByteTrie::no_value) continue;
      offer(begin, at + 1, scores_[static_cast<std::size_t>(id)] + so_far, id);
      has_single = has_single || at + 1 == next;
    }
    work.look(at - begin);
    if (!has_single) {
      if (unk_ < 0) {
        throw Error(ErrorCode::invalid_input,
                    where_ + ": " + quote(piece.substr(begin, next - begin)) +
                        " is not in the vocabulary, and the vocabulary has no unknown token",
                    where_);
      }
      offer(begin, next, unk_score_ + so_far, unk_);
    }
    begin = next;
  }
}

void Unigram::add_token(std::string_view piece, ModelToken token,
                        std::vector<ModelToken>& out) const {
  if (token.id != unk_) {
    out.push_back(token);
    return;
  }
  // What was unknown piece by piece may be a token as a whole.
  const std::string_view text = piece.substr(token.begin, token.end - token.begin);
  if (const auto id = is_sentencepiece_ ? std::nullopt : vocabulary_.find(text)) {
    out.push_back({*id, token.begin, token.end});
    return;
  }
  const auto id_of = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (std::all_of(text.begin(), text.end(), [&](char c) { return id_of(c) >= 0; })) {
    for (const char c : text) out.push_back({id_of(c), token.begin, token.end});
  } else {
    out.push_back(token);
  }
}

std::unique_ptr<TokenModel> read_unigram(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  const Json& listed = fields.array("vocab");
  Vocabulary vocabulary;
  vocabulary.reserve(listed.size());
  std::vector<double> scores;
  scores.reserve(std::min(listed.size(), static_cast<std::size_t>(Vocabulary::max_ids)));
  for (const Json& entry : listed) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
      throw Error(ErrorCode::bad_format,
                  where + ": entry " + std::to_string(scores.size()) +
                      " of the vocabulary is not [token, score]",
                  where);
    }
    vocabulary.add(entry[0].get_ref<const std::string&>(), static_cast<std::int64_t>(scores.size()),
                   where);
    scores.push_back(entry[1].get<double>());
  }
  return std::make_unique<Unigram>(
      std::move(vocabulary), std::move(scores),
      UnigramOptions{fields.integer_or("unk_id", -1), fields.boolean_or("byte_fallback", false)},
      where);
}

}  // namespace llm::detail
