// The vocabulary inside a GGUF file: kinds "gpt2" (byte-level BPE), "llama" (sentencepiece BPE),
// "bert" (WordPiece) and "t5" (sentencepiece Unigram). Where llama.cpp and the reference library
// differ, the file gives the ids of the folder it was made from.
// Keys: github.com/ggml-org/ggml, docs/gguf.md, section tokenizer.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/gguf.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/splits.hpp"
#include "tokenizer/text.hpp"
#include "tokenizer/unigram.hpp"
#include "tokenizer/wordpiece.hpp"

namespace llm::detail {
namespace {

enum TokenType : std::int64_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

class GgufVocabulary {
 public:
  explicit GgufVocabulary(const std::filesystem::path& path)
      : where_(path.string()), file_(GgufFile::open(path)) {
    tokens_ = file_->find_strings("tokenizer.ggml.tokens");
    if (tokens_ == nullptr) {
      throw Error(ErrorCode::unsupported,
                  where_ +
                      ": holds no vocabulary (tokenizer.ggml.tokens); take the tokenizer of "
                      "the folder the file was made from",
                  where_);
    }
    types_ = file_->find_ints("tokenizer.ggml.token_type");
    if (types_ != nullptr && types_->size() != tokens_->size())
      fail_count("token_type", types_->size());
    for (std::size_t i = 0; i < tokens_->size(); ++i) {
      if (find_invalid_utf8((*tokens_)[i])) {
        throw Error(ErrorCode::bad_format,
                    where_ + ": token " + std::to_string(i) + " is not valid UTF-8", where_);
      }
    }
    model_ = file_->find_string("tokenizer.ggml.model").value_or("");
    vocabulary_.reserve(tokens_->size());
    for (std::size_t i = 0; i < tokens_->size(); ++i) {
      if (type(i) == unused) continue;  // fills the vocabulary up to the embedding's size
      vocabulary_.add(spelling(i), static_cast<std::int64_t>(i), where_);
    }
  }

  PipelineParts read() {
    PipelineParts parts;
    parts.source = std::filesystem::path(where_).filename().string();
    if (model_ == "gpt2") {
      read_byte_level(parts);
    } else if (model_ == "llama") {
      read_sentencepiece(parts);
    } else if (model_ == "bert") {
      read_wordpiece(parts);
    } else if (model_ == "t5") {
      read_unigram(parts);
    } else {
      fail_unsupported(where_, "vocabulary kind (tokenizer.ggml.model)", model_,
                       "gpt2, llama, bert and t5");
    }
    add_special(parts);
    parts.chat_template = file_->find_string("tokenizer.chat_template").value_or("");
    return parts;
  }

 private:
  [[noreturn]] void fail_count(const char* what, std::size_t count) const {
    throw Error(ErrorCode::bad_format,
                where_ + ": tokenizer.ggml." + what + " has " + std::to_string(count) +
                    " entries, expected one for each of the " + std::to_string(tokens_->size()) +
                    " tokens",
                where_);
  }

  std::int64_t type(std::size_t id) const { return types_ == nullptr ? normal : (*types_)[id]; }

  // The token as the folder spelled it that the file was made from. For kind "bert" the file marks
  // the beginnings of words, where the folder marked the parts that do not begin one.
  std::string spelling(std::size_t id) const {
    std::string token((*tokens_)[id]);
    const bool keeps = type(id) == control || type(id) == unknown ||
                       (token.starts_with('[') && token.ends_with(']') && token.size() > 1);
    if (model_ != "bert" || keeps) return token;
    return token.starts_with(escaped_space) ? token.substr(escaped_space.size()) : "##" + token;
  }

  void read_byte_level(PipelineParts& parts) {
    const std::string_view pre = file_->find_string("tokenizer.ggml.pre").value_or("gpt-2");
    const SplitRule* rule = find_split_rule(pre);
    if (rule == nullptr) {
      fail_unsupported(where_, "split of the text (tokenizer.ggml.pre)", std::string(pre),
                       split_rule_names());
    }
    adds_bos_ = rule->adds_bos;
    adds_eos_ = rule->adds_eos;
    if (rule->composes) parts.normalizer = read_normalizer(Json{{"type", "NFC"}}, where_);
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    for (const char* pattern : rule->patterns) {
      steps.push_back(make_split(Pattern::regex(pattern, where_), SplitBehavior::isolated, false));
    }
    steps.push_back(make_byte_level(false, false));
    parts.pre_tokenizer = make_sequence(std::move(steps));
    parts.decoder = make_byte_level_decoder();
    BpeOptions options;
    options.ignore_merges = rule->ignore_merges;
    parts.model =
        std::make_unique<Bpe>(std::move(vocabulary_), read_merges(), std::move(options), where_);
  }

  Bpe::Merges read_merges() const {
    const GgufStrings* lines = file_->find_strings("tokenizer.ggml.merges");
    if (lines == nullptr) {
      throw Error(ErrorCode::bad_format, where_ + ": tokenizer.ggml.merges is missing", where_);
    }
    Bpe::Merges merges;
    merges.reserve(lines->size());
    for (const std::string_view line : *lines) {
      const std::size_t at = line.find(' ', 1);
      if (at == std::string_view::npos) {
        throw Error(ErrorCode::bad_format,
                    where_ + ": the merge " + quote(line) + " is not two tokens", where_);
      }
      merges.emplace_back(line.substr(0, at), line.substr(at + 1));
    }
    return merges;
  }

  void read_sentencepiece(PipelineParts& parts) {
    const std::vector<double>& scores = this->scores();
    adds_bos_ = true;
    const bool prefix = file_->find_bool("tokenizer.ggml.add_space_prefix").value_or(true);
    Json steps = Json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", escaped_space}});
    steps.push_back(
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", escaped_space}});
    parts.normalizer = read_normalizer({{"type", "Sequence"}, {"normalizers", steps}}, where_);
    parts.decoder = make_sentencepiece_decoder(prefix);
    BpeOptions options;
    options.fuse_unk = true;
    options.byte_fallback = true;
    if (const auto unk = special_id("unknown_token_id", 0)) {
      options.unk_token = vocabulary_.token(*unk);
    }
    if (std::any_of(scores.begin(), scores.end(), [](double s) { return std::isnan(s); })) {
      throw Error(ErrorCode::bad_format, where_ + ": a token's score is not a number", where_);
    }
    std::vector<bool> may_merge(scores.size());
    for (std::size_t id = 0; id < scores.size(); ++id) may_merge[id] = type(id) == normal;
    MergeTable merges = merges_by_score(vocabulary_, scores, may_merge);
    parts.model =
        std::make_unique<Bpe>(std::move(vocabulary_), std::move(merges), std::move(options));
  }

  const std::vector<double>& scores() const {
    const std::vector<double>* scores = file_->find_floats("tokenizer.ggml.scores");
    if (scores == nullptr || scores->size() != tokens_->size()) {
      fail_count("scores", scores == nullptr ? 0 : scores->size());
    }
    return *scores;
  }

  void read_wordpiece(PipelineParts& parts) {
    // The file does not tell whether the folder lower-cased: a vocabulary without A to Z does.
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    bool lower = true;
    for (std::size_t id = 0; id < tokens_->size(); ++id) {
      const std::string_view token = (*tokens_)[id];
      if (type(id) != normal || token.starts_with('[')) continue;
      lower = lower && std::none_of(token.begin(), token.end(), is_upper);
    }
    parts.normalizer = read_normalizer({{"type", "BertNormalizer"}, {"lowercase", lower}}, where_);
    parts.pre_tokenizer = read_pre_tokenizer(Json{{"type", "BertPreTokenizer"}}, where_);
    parts.decoder = read_decoder(Json{{"type", "WordPiece"}}, where_);
    WordPieceOptions options;
    if (const auto unk = special_id("unknown_token_id", -1)) {
      options.unk_token = vocabulary_.token(*unk);
    }
    parts.model = make_wordpiece(std::move(vocabulary_), std::move(options), where_);
    adds_bos_ = adds_eos_ = true;
  }

  void read_unigram(PipelineParts& parts) {
    const bool prefix = file_->find_bool("tokenizer.ggml.add_space_prefix").value_or(true);
    const bool words = file_->find_bool("tokenizer.ggml.remove_extra_whitespaces").value_or(true);
    const std::vector<std::int64_t>* map = file_->find_ints("tokenizer.ggml.precompiled_charsmap");
    if (map != nullptr && !map->empty()) {
      std::string bytes;
      for (const std::int64_t value : *map) bytes += static_cast<char>(value);
      parts.normalizer = make_precompiled_normalizer(bytes, where_);
    }
    const Json step = {{"type", "Metaspace"},
                       {"replacement", escaped_space},
                       {"prepend_scheme", prefix ? "always" : "never"}};
    Json steps = Json::array({step});
    if (words) steps.insert(steps.begin(), Json{{"type", "WhitespaceSplit"}});
    parts.pre_tokenizer =
        read_pre_tokenizer({{"type", "Sequence"}, {"pretokenizers", steps}}, where_);
    parts.decoder = read_decoder(step, where_);
    std::vector<double> scores = this->scores();
    bool has_bytes = false;
    for (std::size_t id = 0; id < scores.size(); ++id) {
      has_bytes = has_bytes || type(id) == byte;
    }
    const auto unk = special_id("unknown_token_id", 2);
    parts.model = std::make_unique<Unigram>(std::move(vocabulary_), std::move(scores),
                                            UnigramOptions{unk.value_or(-1), has_bytes}, where_);
    adds_eos_ = true;
  }

  std::optional<TokenId> special_id(const char* name, std::int64_t otherwise) const {
    const auto value = file_->find_int(std::string("tokenizer.ggml.") + name).value_or(otherwise);
    const bool known = value >= 0 && value < static_cast<std::int64_t>(tokens_->size());
    return known ? std::optional<TokenId>(static_cast<TokenId>(value)) : std::nullopt;
  }

  void add_special(PipelineParts& parts) const {
    const Vocabulary& vocabulary = parts.model->vocabulary();
    for (std::size_t id = 0; id < tokens_->size(); ++id) {
      const std::string_view token = vocabulary.token(static_cast<TokenId>(id));
      const bool sentinel = model_ == "t5" && token.starts_with("<extra_id_");
      const bool special = type(id) == control || type(id) == unknown || sentinel;
      if ((!special && type(id) != user_defined) || token.empty()) continue;
      parts.added.add({.content = std::string(token), .special = special}, vocabulary, where_);
    }
    const auto id = [&](const char* name) { return special_id(name, -1); };
    parts.special = {id("bos_token_id"),       id("eos_token_id"),     id("unknown_token_id"),
                     id("seperator_token_id"), id("padding_token_id"), id("cls_token_id"),
                     id("mask_token_id")};
    SpecialTokens& named = parts.special;
    if (model_ == "bert") {
      if (!named.cls) named.cls = named.bos;
      if (!named.sep) named.sep = named.eos;
    }
    const bool adds_bos = file_->find_bool("tokenizer.ggml.add_bos_token").value_or(adds_bos_);
    const bool adds_eos = file_->find_bool("tokenizer.ggml.add_eos_token").value_or(adds_eos_);
    const TokenId bos = (model_ == "bert" ? named.cls : named.bos).value_or(-1);
    const TokenId eos = (model_ == "bert" ? named.sep : named.eos).value_or(-1);
    parts.post_processor = make_marks(adds_bos ? bos : -1, adds_eos ? eos : -1);
  }

  // What stands around a text and between the texts of a pair.
  std::unique_ptr<PostProcessor> make_marks(TokenId bos, TokenId eos) const {
    if (model_ == "t5" && bos < 0 && eos >= 0) return make_eos(eos);
    if (bos < 0 || eos < 0) return make_bos_eos(bos, eos);
    if (model_ == "bert") return make_bert(bos, eos);
    const bool is_roberta = model_ == "t5" || adds_eos_;
    return is_roberta ? make_roberta(bos, eos, false, false) : make_bos_eos(bos, eos);
  }

  std::string where_;
  std::shared_ptr<const GgufFile> file_;
  const GgufStrings* tokens_ = nullptr;
  const std::vector<std::int64_t>* types_ = nullptr;
  Vocabulary vocabulary_;
  std::string model_;                         // the kind
  bool adds_bos_ = false, adds_eos_ = false;  // unless the file says otherwise
};

}  // namespace

std::unique_ptr<Tokenizer> open_gguf_vocabulary(const std::filesystem::path& file) {
  return make_pipeline(GgufVocabulary(file).read());
}

}  // namespace llm::detail
