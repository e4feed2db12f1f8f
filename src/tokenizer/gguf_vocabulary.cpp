// The vocabulary inside a GGUF file: kinds "gpt2" (byte-level BPE) and "llama" (sentencepiece BPE).
// Keys: github.com/ggml-org/ggml, docs/gguf.md, section tokenizer.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/gguf.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/bpe.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/splits.hpp"

namespace llm::detail {
namespace {

enum TokenType : std::int64_t { normal = 1, unknown = 2, control = 3, user_defined = 4 };

constexpr const char* space = "\xE2\x96\x81";  // "▁" stands for a space
constexpr std::size_t max_merged_bytes = 512;  // longer tokens are found as a whole or not at all

// How text is cut before the merges: patterns one after the other, by tokenizer.ggml.pre.
struct SplitRule {
  std::string_view name;
  std::vector<const char*> patterns;
  bool ignore_merges = false;
};

const std::vector<SplitRule>& split_rules() {
  static const std::vector<SplitRule> rules = [] {
    const std::vector<const char*> gpt2 = {gpt2_split};
    const std::vector<const char*> digits = {R"(\p{N})", gpt2_split};
    const std::vector<const char*> llama3 = {llama3_split};
    const std::vector<const char*> qwen2 = {qwen2_split};
    std::vector<SplitRule> made;
    for (const char* name : {"gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "roberta-bpe"}) {
      made.push_back({name, gpt2});
    }
    for (const char* name : {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"}) {
      made.push_back({name, digits});
    }
    for (const char* name : {"llama-bpe", "llama3", "llama-v3", "falcon3"}) {
      made.push_back({name, llama3, true});
    }
    for (const char* name : {"qwen2", "deepseek-r1-qwen"}) made.push_back({name, qwen2});
    made.push_back({"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2_split, "[0-9][0-9][0-9]"}});
    made.push_back(
        {"default", {R"([\p{P}\$\+<=>\^~\|]+)", gpt2_split, R"(\p{N}+)", "[0-9][0-9][0-9]"}});
    return made;
  }();
  return rules;
}

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
    vocabulary_.reserve(tokens_->size());
    for (std::size_t i = 0; i < tokens_->size(); ++i) {
      if (find_invalid_utf8((*tokens_)[i])) {
        throw Error(ErrorCode::bad_format,
                    where_ + ": token " + std::to_string(i) + " is not valid UTF-8", where_);
      }
      vocabulary_.add((*tokens_)[i], static_cast<std::int64_t>(i), where_);
    }
  }

  PipelineParts read() {
    const std::string model(file_->find_string("tokenizer.ggml.model").value_or(""));
    PipelineParts parts;
    parts.source = std::filesystem::path(where_).filename().string();
    if (model == "gpt2") {
      read_byte_level(parts);
    } else if (model == "llama") {
      read_sentencepiece(parts);
    } else {
      fail_unsupported(where_, "vocabulary kind (tokenizer.ggml.model)", model, "gpt2 and llama");
    }
    add_special(model == "llama", parts);
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

  void read_byte_level(PipelineParts& parts) {
    const std::string_view pre = file_->find_string("tokenizer.ggml.pre").value_or("gpt-2");
    const auto& rules = split_rules();
    const auto rule =
        std::find_if(rules.begin(), rules.end(), [&](const SplitRule& r) { return r.name == pre; });
    if (rule == rules.end()) {
      std::string names;
      for (const SplitRule& known : rules)
        names += (names.empty() ? "" : ", ") + std::string(known.name);
      fail_unsupported(where_, "split of the text (tokenizer.ggml.pre)", std::string(pre), names);
    }
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
    const std::vector<double>* scores = file_->find_floats("tokenizer.ggml.scores");
    if (scores == nullptr || scores->size() != tokens_->size()) {
      fail_count("scores", scores == nullptr ? 0 : scores->size());
    }
    const bool prefix = file_->find_bool("tokenizer.ggml.add_space_prefix").value_or(true);
    Json steps = Json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", space}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space}});
    parts.normalizer = read_normalizer({{"type", "Sequence"}, {"normalizers", steps}}, where_);
    parts.decoder = make_sentencepiece_decoder(prefix);
    BpeOptions options;
    options.fuse_unk = true;
    options.byte_fallback = true;
    const auto unk = file_->find_int("tokenizer.ggml.unknown_token_id").value_or(0);
    if (unk >= 0 && unk < vocabulary_.size()) {
      options.unk_token = vocabulary_.token(static_cast<TokenId>(unk));
    }
    MergeTable merges = merges_by_score(*scores);
    parts.model =
        std::make_unique<Bpe>(std::move(vocabulary_), std::move(merges), std::move(options));
  }

  // Any two tokens that make a third may be merged; the best score goes first.
  MergeTable merges_by_score(const std::vector<double>& scores) const {
    std::vector<std::size_t> order(tokens_->size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (std::any_of(scores.begin(), scores.end(), [](double s) { return std::isnan(s); })) {
      throw Error(ErrorCode::bad_format, where_ + ": a token's score is not a number", where_);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    struct Found {
      TokenId left, right;
      Merge merge;
    };
    std::vector<Found> found;
    std::uint32_t rank = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::size_t id = order[i];
      if (i > 0 && scores[id] != scores[order[i - 1]]) ++rank;
      const std::string_view token = (*tokens_)[id];
      if (type(id) != normal || token.size() > max_merged_bytes) continue;
      for (std::size_t cut = 1; cut < token.size(); ++cut) {
        const auto left = vocabulary_.find(token.substr(0, cut));
        const auto right = left ? vocabulary_.find(token.substr(cut)) : std::nullopt;
        if (right) found.push_back({*left, *right, {rank, static_cast<TokenId>(id)}});
      }
    }
    MergeTable merges(found.size());
    for (const Found& pair : found) merges.insert(pair.left, pair.right, pair.merge);
    return merges;
  }

  void add_special(bool is_llama, PipelineParts& parts) const {
    for (std::size_t id = 0; id < tokens_->size(); ++id) {
      const std::int64_t kind = type(id);
      const bool special = kind == control || kind == unknown;
      if (!special && kind != user_defined) continue;
      parts.added.add({.content = std::string((*tokens_)[id]), .special = special},
                      parts.model->vocabulary(), where_);
    }
    const auto id = [&](const char* name) -> std::optional<TokenId> {
      const auto value = file_->find_int(std::string("tokenizer.ggml.") + name);
      const bool known = value && *value >= 0 && *value < parts.model->vocabulary().size();
      return known ? std::optional<TokenId>(static_cast<TokenId>(*value)) : std::nullopt;
    };
    parts.special = {id("bos_token_id"),       id("eos_token_id"),     id("unknown_token_id"),
                     id("seperator_token_id"), id("padding_token_id"), id("cls_token_id"),
                     id("mask_token_id")};
    const bool bos = file_->find_bool("tokenizer.ggml.add_bos_token").value_or(is_llama);
    const bool eos = file_->find_bool("tokenizer.ggml.add_eos_token").value_or(false);
    parts.post_processor = make_bos_eos(bos ? parts.special.bos.value_or(-1) : -1,
                                        eos ? parts.special.eos.value_or(-1) : -1);
  }

  std::string where_;
  std::shared_ptr<const GgufFile> file_;
  const GgufStrings* tokens_ = nullptr;
  const std::vector<std::int64_t>* types_ = nullptr;
  Vocabulary vocabulary_;
};

}  // namespace

std::unique_ptr<Tokenizer> open_gguf_vocabulary(const std::filesystem::path& file) {
  return make_pipeline(GgufVocabulary(file).read());
}

}  // namespace llm::detail
