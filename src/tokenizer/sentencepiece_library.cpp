#include "tokenizer/sentencepiece_library.hpp"

#include <sentencepiece_processor.h>

#include <new>

#include "llm/core/error.hpp"
#include "tokenizer/character_map.hpp"
#include "tokenizer/sentencepiece_model.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

// Calls the library, which also throws exceptions of its own (a trie's).
template <class Call>
void call_library(ErrorCode code, const std::string& where, const std::string& what, Call call) {
  std::string reason;
  try {
    const sentencepiece::util::Status status = call();
    if (status.ok()) return;
    reason = status.error_message();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, where + ": not enough memory for a sentencepiece model",
                where);
  } catch (const std::exception& error) {
    reason = error.what();
  }
  throw Error(code, where + ": " + what + reason, where);
}

// By the longest match, as the library itself does it.
std::string replaced(std::string_view text, const CharacterMap& map) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::string_view form;
    std::size_t bytes = map.find_longest(text.substr(at), form);
    if (bytes == 0) {
      bytes = decode_utf8(text, at).bytes;
      form = text.substr(at, bytes);
    }
    out += form;
    at += bytes;
  }
  return out;
}

}  // namespace

struct SentencepieceLibrary::Processor {
  sentencepiece::SentencePieceProcessor library;
  std::string where;
  CharacterMap map;  // of decoded texts
};

SentencepieceLibrary::SentencepieceLibrary(std::string_view bytes, const std::string& where)
    : processor_(std::make_unique<Processor>()) {
  processor_->where = where;
  const auto [part, charsmap] = decoding_part(bytes, where);
  if (!charsmap.empty()) processor_->map = CharacterMap(charsmap, where);
  const absl::string_view serialized(part.data(), part.size());
  call_library(ErrorCode::bad_format, where, "not a sentencepiece model: ", [&] {
    return processor_->library.LoadFromSerializedProto(serialized);
  });
}

SentencepieceLibrary::SentencepieceLibrary(SentencepieceLibrary&&) noexcept = default;
SentencepieceLibrary::~SentencepieceLibrary() = default;

std::string SentencepieceLibrary::decode(const std::vector<std::string>& pieces) const {
  std::string text;
  call_library(ErrorCode::invalid_input, processor_->where, "",
               [&] { return processor_->library.Decode(pieces, &text); });
  return replaced(text, processor_->map);
}

SentencepieceLibrary::SpecialIds SentencepieceLibrary::special() const {
  const auto& library = processor_->library;
  return {library.bos_id(), library.eos_id(), library.unk_id(), library.pad_id()};
}

}  // namespace llm::detail
