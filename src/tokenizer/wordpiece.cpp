#include "tokenizer/wordpiece.hpp"

#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += is_utf8_continuation(c) ? 0 : 1;
  return count;
}

class WordPiece final : public TokenModel {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options, TokenId unk)
      : vocabulary_(std::move(vocabulary)), options_(std::move(options)), unk_(unk) {
    for (TokenId id = 0; id < vocabulary_.size(); ++id) {
      longest_ = std::max(longest_, vocabulary_.token(id).size());
    }
  }

  void encode(std::string_view piece, bool /*raw_bytes*/, ModelScratch* /*scratch*/,
              std::vector<ModelToken>& out, Work& work) const override {
    const std::size_t before = out.size();
    const auto size = static_cast<std::uint32_t>(piece.size());
    bool known =
        count_code_points(piece) <= static_cast<std::size_t>(options_.max_input_chars_per_word);
    std::string candidate;
    for (std::uint32_t begin = 0; known && begin < size;) {
      const std::uint32_t end = longest_match(piece, begin, candidate, out, work);
      known = end > begin;
      begin = end;
    }
    if (known) return;
    out.resize(before);
    out.push_back({unk_, 0, size});
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view name() const override { return "WordPiece"; }
  std::string_view continuing_prefix() const override { return options_.continuing_subword_prefix; }

 private:
  // Appends the longest token at `begin`; returns its end, or `begin` when there is none.
  std::uint32_t longest_match(std::string_view piece, std::uint32_t begin, std::string& candidate,
                              std::vector<ModelToken>& out, Work& work) const {
    const std::size_t prefix = begin > 0 ? options_.continuing_subword_prefix.size() : 0;
    candidate.assign(options_.continuing_subword_prefix, 0, prefix);
    candidate += piece.substr(begin, longest_);
    while (candidate.size() > prefix) {
      const bool whole = begin + (candidate.size() - prefix) == piece.size() ||
                         !is_utf8_continuation(piece[begin + candidate.size() - prefix]);
      if (whole) {
        work.look(1 + candidate.size() / 16);  // hashing is quick
        if (const auto id = vocabulary_.find(candidate)) {
          const auto end = begin + static_cast<std::uint32_t>(candidate.size() - prefix);
          out.push_back({*id, begin, end});
          return end;
        }
      }
      candidate.pop_back();
    }
    return begin;
  }

  Vocabulary vocabulary_;
  WordPieceOptions options_;
  TokenId unk_;
  std::size_t longest_ = 0;
};

class WordLevel final : public TokenModel {
 public:
  WordLevel(Vocabulary vocabulary, std::optional<TokenId> unk, std::string where)
      : vocabulary_(std::move(vocabulary)), unk_(unk), where_(std::move(where)) {}

  void encode(std::string_view piece, bool /*raw_bytes*/, ModelScratch* /*scratch*/,
              std::vector<ModelToken>& out, Work& /*work*/) const override {
    auto id = vocabulary_.find(piece);
    if (!id) id = unk_;
    if (!id) {
      throw Error(ErrorCode::invalid_input,
                  where_ + ": the word " + quote(piece) +
                      " is not in the vocabulary, and the vocabulary has no unknown token",
                  where_);
    }
    out.push_back({*id, 0, static_cast<std::uint32_t>(piece.size())});
  }

  const Vocabulary& vocabulary() const override { return vocabulary_; }
  std::string_view name() const override { return "WordLevel"; }

 private:
  Vocabulary vocabulary_;
  std::optional<TokenId> unk_;
  std::string where_;
};

}  // namespace

std::unique_ptr<TokenModel> make_wordpiece(Vocabulary vocabulary, WordPieceOptions options,
                                           const std::string& where) {
  const auto unk = vocabulary.find(options.unk_token);
  if (!unk) {
    throw Error(
        ErrorCode::bad_format,
        where + ": the unknown token " + quote(options.unk_token) + " is not in the vocabulary",
        where);
  }
  if (options.max_input_chars_per_word < 0) options.max_input_chars_per_word = 0;
  return std::make_unique<WordPiece>(std::move(vocabulary), std::move(options), *unk);
}

std::unique_ptr<TokenModel> read_wordpiece(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  WordPieceOptions options;
  options.unk_token = fields.string_or("unk_token", options.unk_token);
  options.continuing_subword_prefix =
      fields.string_or("continuing_subword_prefix", options.continuing_subword_prefix);
  options.max_input_chars_per_word =
      fields.integer_or("max_input_chars_per_word", options.max_input_chars_per_word);
  return make_wordpiece(read_vocabulary(fields, "vocab"), std::move(options), where);
}

std::unique_ptr<TokenModel> read_wordlevel(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  Vocabulary vocabulary = read_vocabulary(fields, "vocab");
  const auto unk = vocabulary.find(fields.string_or("unk_token", "<unk>"));
  return std::make_unique<WordLevel>(std::move(vocabulary), unk, where);
}

}  // namespace llm::detail
