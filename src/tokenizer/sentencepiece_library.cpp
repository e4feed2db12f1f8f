#include "tokenizer/sentencepiece_library.hpp"

#include <sentencepiece_processor.h>

#include "llm/core/error.hpp"

namespace llm::detail {
namespace {

void check(const sentencepiece::util::Status& status, ErrorCode code, const std::string& where) {
  if (!status.ok()) throw Error(code, where + ": " + std::string(status.error_message()), where);
}

}  // namespace

struct SentencepieceLibrary::Processor {
  sentencepiece::SentencePieceProcessor library;
  std::string where;
};

SentencepieceLibrary::SentencepieceLibrary(std::string_view bytes, const std::string& where)
    : processor_(std::make_unique<Processor>()) {
  processor_->where = where;
  const auto status =
      processor_->library.LoadFromSerializedProto(absl::string_view(bytes.data(), bytes.size()));
  if (bytes.empty() || !status.ok()) {
    throw Error(ErrorCode::bad_format,
                where + ": not a sentencepiece model: " + std::string(status.error_message()),
                where);
  }
}

SentencepieceLibrary::SentencepieceLibrary(SentencepieceLibrary&&) noexcept = default;
SentencepieceLibrary::~SentencepieceLibrary() = default;

void SentencepieceLibrary::encode(std::string_view text,
                                  const std::function<void(const Piece&)>& take) const {
  sentencepiece::ImmutableSentencePieceText encoded;
  check(processor_->library.Encode(absl::string_view(text.data(), text.size()),
                                   encoded.mutable_proto()),
        ErrorCode::invalid_input, processor_->where);
  for (const auto& piece : encoded.pieces()) {
    take({{piece.piece().data(), piece.piece().size()},
          static_cast<TokenId>(piece.id()),
          piece.begin(),
          piece.end()});
  }
}

std::string SentencepieceLibrary::decode(const std::vector<std::string>& pieces) const {
  std::string text;
  check(processor_->library.Decode(pieces, &text), ErrorCode::invalid_input, processor_->where);
  return text;
}

std::string SentencepieceLibrary::decode(const std::vector<TokenId>& ids) const {
  std::string text;
  check(processor_->library.Decode(ids, &text), ErrorCode::invalid_input, processor_->where);
  return text;
}

TokenId SentencepieceLibrary::size() const { return processor_->library.GetPieceSize(); }
std::string SentencepieceLibrary::token(TokenId id) const {
  return processor_->library.IdToPiece(id);
}
bool SentencepieceLibrary::is_control(TokenId id) const {
  return processor_->library.IsControl(id);
}
bool SentencepieceLibrary::is_byte(TokenId id) const { return processor_->library.IsByte(id); }

SentencepieceLibrary::SpecialIds SentencepieceLibrary::special() const {
  const auto& library = processor_->library;
  return {library.bos_id(), library.eos_id(), library.unk_id(), library.pad_id()};
}

}  // namespace llm::detail
