// A sentencepiece model on its own, without a folder that says what kind of model it serves: the
// library alone decides. Models in folders become pipelines (sentencepiece_folder.cpp).
#include <algorithm>

#include "core/json.hpp"
#include "tokenizer/segment_tokenizer.hpp"
#include "tokenizer/sentencepiece_library.hpp"
#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/sources.hpp"

namespace llm::detail {
namespace {

class SentencepieceTokenizer final : public SegmentTokenizer {
 public:
  SentencepieceTokenizer(const std::filesystem::path& file, const TokenizerConfig& config);

  std::string decode(std::span<const TokenId> ids, const DecodeOptions& options) const override;
  TokenId vocab_size() const override { return library_.size(); }
  std::string token(TokenId id) const override { return std::string(vocabulary_.token(id)); }
  std::optional<TokenId> id(std::string_view token) const override {
    return vocabulary_.find(token);
  }
  bool is_special(TokenId id) const override {
    return vocabulary_.contains(id) && library_.is_control(id);
  }

 protected:
  Segment encode_text(std::string_view text, const EncodeOptions& options) const override;

 private:
  SentencepieceLibrary library_;
  Vocabulary vocabulary_;
};

SentencepieceTokenizer::SentencepieceTokenizer(const std::filesystem::path& file,
                                               const TokenizerConfig& config)
    : library_(read_file(file, max_sentencepiece_bytes), file.string()) {
  vocabulary_.reserve(static_cast<std::size_t>(library_.size()));
  for (TokenId id = 0; id < library_.size(); ++id) {
    vocabulary_.add(library_.token(id), id, file.string());
  }
  const auto named = [&](TokenizerConfig::Named which, TokenId id) -> std::optional<TokenId> {
    if (!config.named[which].content.empty()) return vocabulary_.find(config.named[which].content);
    return id >= 0 ? std::optional<TokenId>(id) : std::nullopt;
  };
  const SentencepieceLibrary::SpecialIds ids = library_.special();
  special_ = {named(TokenizerConfig::bos, ids.bos), named(TokenizerConfig::eos, ids.eos),
              named(TokenizerConfig::unk, ids.unk), named(TokenizerConfig::sep, -1),
              named(TokenizerConfig::pad, ids.pad), named(TokenizerConfig::cls, -1),
              named(TokenizerConfig::mask, -1)};
  post_processor_ = make_bos_eos(config.add_bos.value_or(false) ? special_.bos.value_or(-1) : -1,
                                 config.add_eos.value_or(false) ? special_.eos.value_or(-1) : -1);
  chat_template_ = config.chat_template;
  description_ =
      file.filename().string() + " (sentencepiece, " + std::to_string(vocab_size()) + " tokens)";
}

Segment SentencepieceTokenizer::encode_text(std::string_view text,
                                            const EncodeOptions& /*options*/) const {
  Segment out;
  std::vector<TokenId>& ids = out.encoding.ids;
  std::vector<ByteSpan>& offsets = out.encoding.offsets;
  library_.encode(text, [&](const SentencepieceLibrary::Piece& piece) {
    ids.push_back(piece.id);
    offsets.push_back({piece.begin, piece.end});
  });
  // The library gives a code point that falls back to bytes to its last byte; all bytes share it.
  for (std::size_t i = ids.size(); i-- > 1;) {
    ByteSpan& previous = offsets[i - 1];
    if (library_.is_byte(ids[i - 1]) && library_.is_byte(ids[i]) &&
        previous.begin == previous.end && previous.end == offsets[i].begin) {
      previous.end = offsets[i].end;
    }
  }
  return out;
}

std::string SentencepieceTokenizer::decode(std::span<const TokenId> ids,
                                           const DecodeOptions& options) const {
  std::vector<TokenId> known;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(known),
               [&](TokenId id) { return vocabulary_.contains(id); });
  std::string text = repair_utf8(library_.decode(known));
  return options.clean_up_spaces.value_or(false) ? clean_up_spaces(std::move(text), false) : text;
}

}  // namespace

std::unique_ptr<Tokenizer> open_sentencepiece(const std::filesystem::path& file,
                                              const TokenizerConfig& config) {
  return std::make_unique<SentencepieceTokenizer>(file, config);
}

}  // namespace llm::detail
