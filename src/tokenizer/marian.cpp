// Marian's tokenizer: source.spm cuts what is read, target.spm what is written, and vocab.json
// gives both their ids. A text may begin with the language to translate into: ">>fra<< Hello".
#include <algorithm>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/model.hpp"
#include "tokenizer/segment_tokenizer.hpp"
#include "tokenizer/sentencepiece_library.hpp"
#include "tokenizer/sentencepiece_steps.hpp"
#include "tokenizer/sources.hpp"

namespace llm::detail {
namespace {

// One of the two models.
struct Side {
  explicit Side(const std::filesystem::path& file)
      : Side(read_file(file, max_sentencepiece_bytes), file.string()) {}
  Side(const std::string& bytes, const std::string& where)
      : steps(make_sentencepiece_steps(parse_sentencepiece_model(bytes, where), where)),
        library(bytes, where) {}

  SentencepieceSteps steps;      // text to pieces
  SentencepieceLibrary library;  // ids to text
};

Vocabulary read_vocabulary_file(const std::filesystem::path& file) {
  const Json json = Json{{"vocab", read_json_file(file, max_table_bytes)}};
  return read_vocabulary(JsonFields(json, file.string()), "vocab");
}

class MarianTokenizer final : public SegmentTokenizer {
 public:
  MarianTokenizer(const std::filesystem::path& folder, TokenizerConfig config);

  std::string decode(std::span<const TokenId> ids, const DecodeOptions& options) const override;
  TokenId vocab_size() const override {
    return std::max(static_cast<TokenId>(vocabulary_.count()), added_.size());
  }
  std::string token(TokenId id) const override;
  std::optional<TokenId> id(std::string_view token) const override;
  bool is_special(TokenId id) const override {
    const AddedToken* added = added_.find(id);
    return added != nullptr && added->special;
  }
  bool cleans_up_spaces() const override { return clean_up_spaces_; }

 protected:
  Segment encode_text(std::string_view text, const EncodeOptions& options,
                      Work& work) const override;

 private:
  void add_tokens(const TokenizerConfig& config, const std::string& where);
  void encode_run(std::string_view run, std::size_t begin, bool is_target, Encoding& out,
                  Work& work) const;
  void mark_language(const std::string& language, Encoding& out) const;
  TokenId id_or_unknown(std::string_view token, bool is_target) const;
  const Vocabulary& vocabulary(bool is_target) const {
    return is_target && target_vocabulary_ ? *target_vocabulary_ : vocabulary_;
  }

  Side source_, target_;
  Vocabulary vocabulary_;
  std::optional<Vocabulary> target_vocabulary_;  // where the decoder has one of its own
  AddedTokens added_;
  TokenId unk_ = 0;
  bool clean_up_spaces_ = false;
};

MarianTokenizer::MarianTokenizer(const std::filesystem::path& folder, TokenizerConfig config)
    : source_(folder / "source.spm"),
      target_(folder / "target.spm"),
      vocabulary_(read_vocabulary_file(folder / "vocab.json")) {
  if (config.separate_vocabularies) {
    target_vocabulary_ = read_vocabulary_file(folder / "target_vocab.json");
  }
  const std::string where = (folder / "vocab.json").string();
  config.set_default(TokenizerConfig::eos, "</s>");
  config.set_default(TokenizerConfig::unk, "<unk>");
  config.set_default(TokenizerConfig::pad, "<pad>");
  const std::string unk = config.named[TokenizerConfig::unk].content;
  if (!vocabulary_.find(unk)) {
    throw Error(ErrorCode::bad_format,
                where + ": the unknown token " + quote(unk) +
                    " is not in the vocabulary, which Marian's tokenizer needs",
                where);
  }
  unk_ = *vocabulary_.find(unk);
  add_tokens(config, where);
  const auto named = [&](TokenizerConfig::Named which) -> std::optional<TokenId> {
    const std::string& content = config.named[which].content;
    return content.empty() ? std::nullopt : id(content);
  };
  using Config = TokenizerConfig;
  special_ = {named(Config::bos), named(Config::eos), named(Config::unk), named(Config::sep),
              named(Config::pad), named(Config::cls), named(Config::mask)};
  const TemplatePiece eos{-1, {special_.eos.value_or(unk_)}, 0};
  post_processor_ = make_template({{0, {}, 0}, eos}, {{0, {}, 0}, {1, {}, 0}, eos});
  marks_in_text_ = true;
  clean_up_spaces_ = config.clean_up_spaces.value_or(false);
  chat_template_ = config.chat_template;
  max_length_ = config.max_length;
  truncates_left_ = config.truncates_left.value_or(false);
  description_ =
      "source.spm, target.spm and vocab.json (Marian, " + std::to_string(vocab_size()) + " tokens)";
}

void MarianTokenizer::add_tokens(const TokenizerConfig& config, const std::string& where) {
  const auto add = [&](AddedToken token) {
    token.normalized = false;  // nothing is normalized before the library sees the text
    if (added_.find(token.content) == nullptr) added_.add(std::move(token), vocabulary_, where);
  };
  for (const auto& [id, token] : config.added) add(token);
  for (const AddedToken& token : config.named) add(token);
  for (const AddedToken& token : config.extra) add(token);
  added_.finish(nullptr, where);
}

std::string MarianTokenizer::token(TokenId id) const {
  const AddedToken* added = added_.find(id);
  return added != nullptr ? added->content : std::string(vocabulary(true).token(id));
}

std::optional<TokenId> MarianTokenizer::id(std::string_view token) const {
  const AddedToken* added = added_.find(token);
  return added != nullptr ? added->id : vocabulary_.find(token);
}

TokenId MarianTokenizer::id_or_unknown(std::string_view token, bool is_target) const {
  return vocabulary(is_target).find(token).value_or(unk_);
}

Segment MarianTokenizer::encode_text(std::string_view text, const EncodeOptions& options,
                                     Work& work) const {
  Pieces pieces(text);
  added_.extract(pieces, nullptr, work);
  Segment out;
  if (!options.language.empty()) mark_language(options.language, out.encoding);
  for (const Piece& piece : pieces.list) {
    if (piece.added == Piece::none) {
      encode_run(pieces.text(piece), piece.begin, options.is_target, out.encoding, work);
    } else {
      out.encoding.ids.push_back(piece.added);
      out.encoding.offsets.push_back({piece.begin, piece.end});
    }
  }
  return out;
}

void MarianTokenizer::mark_language(const std::string& language, Encoding& out) const {
  const auto mark = id(language.starts_with(">>") ? language : ">>" + language + "<<");
  if (!mark) {
    throw Error(ErrorCode::invalid_option,
                description_ + " does not know the language " + quote(language) +
                    "; expected the \"fra\" of a token \">>fra<<\" of the vocabulary");
  }
  out.ids.push_back(*mark);
  out.offsets.push_back({0, 0});
}

void MarianTokenizer::encode_run(std::string_view run, std::size_t begin, bool is_target,
                                 Encoding& out, Work& work) const {
  if (run.starts_with(">>")) {
    if (const std::size_t end = run.find("<<"); end != std::string_view::npos) {
      out.ids.push_back(id_or_unknown(run.substr(0, end + 2), is_target));
      out.offsets.push_back({begin, begin + end + 2});
      run.remove_prefix(end + 2);
      begin += end + 2;
    }
  }
  const SentencepieceSteps& steps = (is_target ? target_ : source_).steps;
  Pieces pieces(run);
  pieces.rewrite([&](AlignedText& text) { steps.normalizer->apply(text, work); });
  if (steps.pre_tokenizer != nullptr) steps.pre_tokenizer->apply(pieces, work);
  const Vocabulary& known = steps.model->vocabulary();
  const auto scratch = steps.model->make_scratch();
  std::vector<ModelToken> tokens;
  for (const Piece& piece : pieces.list) {
    tokens.clear();
    if (piece.added != Piece::none) {
      tokens.push_back({piece.added, 0, piece.end - piece.begin});
    } else {
      steps.model->encode(pieces.text(piece), false, scratch.get(), tokens, work);
    }
    for (const ModelToken& token : tokens) {
      // What the model does not know the vocabulary may know.
      const std::string_view text = pieces.text(piece).substr(token.begin, token.end - token.begin);
      const bool is_byte = known.token(token.id).starts_with("<0x");
      out.ids.push_back(id_or_unknown(is_byte ? known.token(token.id) : text, is_target));
      const Span span = pieces.original_span(piece, token.begin, token.end);
      out.offsets.push_back({begin + span.begin, begin + span.end});
    }
  }
}

std::string MarianTokenizer::decode(std::span<const TokenId> ids,
                                    const DecodeOptions& options) const {
  // The reference takes the source's model where both share a vocabulary.
  const SentencepieceLibrary& library = (target_vocabulary_ ? target_ : source_).library;
  std::string text;
  std::vector<std::string> run;
  const auto flush = [&] {
    text += library.decode(run);
    run.clear();
  };
  for (const TokenId id : ids) {
    std::string spelled = token(id);
    if (spelled.empty() || (options.skip_special_tokens && is_special(id))) continue;
    if (!is_special(id)) {
      run.push_back(std::move(spelled));
      continue;
    }
    flush();
    text += spelled + " ";
  }
  flush();
  text = strip_spaces(replace_all(text, escaped_space, " "));
  const bool clean_up = options.clean_up_spaces.value_or(clean_up_spaces_);
  return repair_utf8(clean_up ? clean_up_spaces(std::move(text), false) : std::move(text));
}

}  // namespace

std::unique_ptr<Tokenizer> open_marian(const std::filesystem::path& folder,
                                       const TokenizerConfig& config) {
  return std::make_unique<MarianTokenizer>(folder, config);
}

}  // namespace llm::detail
