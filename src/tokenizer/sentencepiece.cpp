// sentencepiece models (*.model) by Google's library, which is named nowhere else. Special tokens
// are cut out of the text first, as the reference does around this library.
#include <sentencepiece_processor.h>

#include <algorithm>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/text_input.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t max_model_bytes = std::size_t{256} << 20U;

class SentencepieceTokenizer final : public Tokenizer {
 public:
  SentencepieceTokenizer(const std::filesystem::path& file, const TokenizerConfig& config);

  Encoding encode(std::string_view text, const EncodeOptions& options) const override;
  Encoding encode_pair(std::string_view first, std::string_view second,
                       const EncodeOptions& options) const override;
  std::string decode(std::span<const TokenId> ids, const DecodeOptions& options) const override;

  TokenId vocab_size() const override { return std::max(pieces_, added_.size()); }
  std::string token(TokenId id) const override;
  std::optional<TokenId> id(std::string_view token) const override;
  bool is_special(TokenId id) const override;
  const SpecialTokens& special() const override { return special_; }
  const std::string& chat_template() const override { return chat_template_; }
  const std::string& description() const override { return description_; }

 private:
  void add_tokens(const TokenizerConfig& config, const std::string& where);
  Segment encode_text(std::string_view text, std::int32_t type_id) const;
  void encode_run(std::string_view run, std::size_t begin, Encoding& out) const;
  Encoding finish(std::vector<Segment> segments, const EncodeOptions& options) const;
  std::string decode_by_library(std::span<const TokenId> ids) const;
  std::string decode_tokens(std::span<const TokenId> ids, const DecodeOptions& options) const;

  sentencepiece::SentencePieceProcessor processor_;
  TokenId pieces_ = 0;
  Vocabulary vocabulary_;
  AddedTokens added_;  // none for a bare model file: then the library alone decides
  std::unique_ptr<PostProcessor> post_processor_;
  std::unique_ptr<TokenDecoder> decoder_ = make_sentencepiece_decoder(true);
  bool clean_up_spaces_ = false;
  SpecialTokens special_;
  std::string chat_template_;
  std::string description_;
};

void check(const sentencepiece::util::Status& status, ErrorCode code, const std::string& where) {
  if (!status.ok()) throw Error(code, where + ": " + std::string(status.error_message()), where);
}

// The kind of model the folder is of: its tokenizer class or, without one, its model type.
std::string kind_of(const TokenizerConfig& config) {
  const std::string& name =
      config.tokenizer_class.empty() ? config.model_type : config.tokenizer_class;
  if (name == "T5Tokenizer" || name == "t5" || name == "mt5" || name == "umt5") return "t5";
  if (name == "LlamaTokenizer" || name == "llama" || name == "mistral") return "llama";
  return name.empty() ? "" : "other";
}

SentencepieceTokenizer::SentencepieceTokenizer(const std::filesystem::path& file,
                                               const TokenizerConfig& config) {
  const std::string where = file.string();
  const std::string bytes = read_file(file, max_model_bytes);
  const auto status = processor_.LoadFromSerializedProto(bytes);
  if (bytes.empty() || !status.ok()) {
    throw Error(ErrorCode::bad_format,
                where + ": not a sentencepiece model: " + std::string(status.error_message()),
                where);
  }
  pieces_ = processor_.GetPieceSize();
  vocabulary_.reserve(static_cast<std::size_t>(pieces_));
  for (TokenId id = 0; id < pieces_; ++id) vocabulary_.add(processor_.IdToPiece(id), id, where);
  if (!kind_of(config).empty()) add_tokens(config, where);
  const auto named = [&](TokenizerConfig::Named which, int id) -> std::optional<TokenId> {
    if (!config.named[which].content.empty()) return this->id(config.named[which].content);
    return id >= 0 ? std::optional<TokenId>(id) : std::nullopt;
  };
  special_ = {named(TokenizerConfig::bos, processor_.bos_id()),
              named(TokenizerConfig::eos, processor_.eos_id()),
              named(TokenizerConfig::unk, processor_.unk_id()),
              named(TokenizerConfig::sep, -1),
              named(TokenizerConfig::pad, processor_.pad_id()),
              named(TokenizerConfig::cls, -1),
              named(TokenizerConfig::mask, -1)};
  const bool bos = config.add_bos.value_or(kind_of(config) == "llama");
  const bool eos = config.add_eos.value_or(kind_of(config) == "t5");
  post_processor_ =
      make_bos_eos(bos ? special_.bos.value_or(-1) : -1, eos ? special_.eos.value_or(-1) : -1);
  clean_up_spaces_ = config.clean_up_spaces.value_or(false) && kind_of(config) == "t5";
  chat_template_ = config.chat_template;
  description_ =
      file.filename().string() + " (sentencepiece, " + std::to_string(vocab_size()) + " tokens)";
}

void SentencepieceTokenizer::add_tokens(const TokenizerConfig& config, const std::string& where) {
  const auto add = [&](AddedToken token) {
    if (added_.find(token.content) == nullptr) added_.add(std::move(token), vocabulary_, where);
  };
  if (kind_of(config) == "t5") {
    // Sentinels stand behind the model's own pieces, the first one last.
    const std::int64_t count = config.extra_ids.value_or(100);
    if (count < 0 || count > 100'000) {
      throw Error(ErrorCode::bad_format,
                  where + ": extra_ids is " + std::to_string(count) + ", expected 0 to 100000",
                  where);
    }
    for (std::int64_t i = count - 1; i >= 0; --i) {
      add({.content = "<extra_id_" + std::to_string(i) + ">", .special = true});
    }
  }
  for (const auto& [id, token] : config.added) add(token);
  for (const AddedToken& token : config.named) add(token);
  for (const AddedToken& token : config.extra) add(token);
  for (TokenId id = 0; id < pieces_; ++id) {
    if (processor_.IsControl(id) || processor_.IsUnknown(id)) {
      add({.content = processor_.IdToPiece(id), .special = true});
    }
  }
  added_.finish(nullptr);
}

std::string SentencepieceTokenizer::token(TokenId id) const {
  const AddedToken* added = added_.find(id);
  return added != nullptr ? added->content : std::string(vocabulary_.token(id));
}

std::optional<TokenId> SentencepieceTokenizer::id(std::string_view token) const {
  const AddedToken* added = added_.find(token);
  return added != nullptr ? added->id : vocabulary_.find(token);
}

bool SentencepieceTokenizer::is_special(TokenId id) const {
  const AddedToken* added = added_.find(id);
  if (added != nullptr) return added->special;
  return id >= 0 && id < pieces_ && processor_.IsControl(id);
}

Encoding SentencepieceTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<Segment> segments;
  segments.push_back(encode_text(text, 0));
  return finish(std::move(segments), options);
}

Encoding SentencepieceTokenizer::encode_pair(std::string_view first, std::string_view second,
                                             const EncodeOptions& options) const {
  std::vector<Segment> segments;
  segments.push_back(encode_text(first, 0));
  segments.push_back(encode_text(second, 1));
  return finish(std::move(segments), options);
}

Segment SentencepieceTokenizer::encode_text(std::string_view text, std::int32_t type_id) const {
  check_text(text);
  Pieces pieces(text);
  added_.extract(pieces, nullptr);
  Segment out;
  out.text = text;
  for (const Piece& piece : pieces.list) {
    if (piece.added == Piece::none) {
      encode_run(pieces.text(piece), piece.begin, out.encoding);
    } else {
      out.encoding.ids.push_back(piece.added);
      out.encoding.offsets.push_back({piece.begin, piece.end});
    }
  }
  out.encoding.type_ids.assign(out.encoding.ids.size(), type_id);
  return out;
}

void SentencepieceTokenizer::encode_run(std::string_view run, std::size_t begin,
                                        Encoding& out) const {
  sentencepiece::ImmutableSentencePieceText encoded;
  check(processor_.Encode(absl::string_view(run.data(), run.size()), encoded.mutable_proto()),
        ErrorCode::invalid_input, description_);
  const std::size_t first = out.ids.size();
  for (const auto& piece : encoded.pieces()) {
    out.ids.push_back(static_cast<TokenId>(piece.id()));
    out.offsets.push_back({begin + piece.begin(), begin + piece.end()});
  }
  // The library gives a code point that falls back to bytes to its last byte; all bytes share it.
  for (std::size_t i = out.ids.size(); i-- > first + 1;) {
    ByteSpan& previous = out.offsets[i - 1];
    if (processor_.IsByte(out.ids[i - 1]) && processor_.IsByte(out.ids[i]) &&
        previous.begin == previous.end && previous.end == out.offsets[i].begin) {
      previous.end = out.offsets[i].end;
    }
  }
}

Encoding SentencepieceTokenizer::finish(std::vector<Segment> segments,
                                        const EncodeOptions& options) const {
  post_processor_->apply(segments, options.add_special_tokens);
  return join_segments(std::move(segments));
}

std::string SentencepieceTokenizer::decode(std::span<const TokenId> ids,
                                           const DecodeOptions& options) const {
  std::string text = added_.all().empty() ? decode_by_library(ids) : decode_tokens(ids, options);
  const bool clean_up = options.clean_up_spaces.value_or(clean_up_spaces_);
  return clean_up ? clean_up_spaces(std::move(text), false) : text;
}

std::string SentencepieceTokenizer::decode_by_library(std::span<const TokenId> ids) const {
  std::vector<int> known;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(known),
               [&](TokenId id) { return id >= 0 && id < pieces_; });
  std::string text;
  check(processor_.Decode(known, &text), ErrorCode::invalid_input, description_);
  return repair_utf8(std::move(text));
}

std::string SentencepieceTokenizer::decode_tokens(std::span<const TokenId> ids,
                                                  const DecodeOptions& options) const {
  std::vector<std::string> tokens;
  for (const TokenId id : ids) {
    if (id < 0 || id >= vocab_size() || (options.skip_special_tokens && is_special(id))) continue;
    tokens.push_back(token(id));
  }
  decoder_->apply(tokens);
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

}  // namespace

std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& file,
                                              const TokenizerConfig& config) {
  return std::make_unique<SentencepieceTokenizer>(file, config);
}

}  // namespace llm::detail
