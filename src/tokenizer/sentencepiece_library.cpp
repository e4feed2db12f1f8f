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

std::string SentencepieceLibrary::decode(const std::vector<std::string>& pieces) const {
  std::string text;
  check(processor_->library.Decode(pieces, &text), ErrorCode::invalid_input, processor_->where);
  return text;
}

SentencepieceLibrary::SpecialIds SentencepieceLibrary::special() const {
  const auto& library = processor_->library;
  return {library.bos_id(), library.eos_id(), library.unk_id(), library.pad_id()};
}

}  // namespace llm::detail
