#include "tokenizer/sentencepiece_model.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"
#include "tokenizer/vocabulary.hpp"

namespace llm::detail {
namespace {

// Walks the fields of one message.
class Message {
 public:
  Message(std::string_view bytes, const std::string& where) : rest_(bytes), where_(where) {}

  // Goes to the next field; false at the end. The value is kept until the next call.
  bool next() {
    if (rest_.empty()) return false;
    start_ = rest_.data();
    const std::uint64_t key = varint();
    field_ = key >> 3U;
    number_ = 0;
    bytes_ = {};
    switch (key & 7U) {
      case 0:
        number_ = varint();
        return true;
      case 1:
        bytes_ = take(8);
        return true;
      case 2:
        bytes_ = take(varint());
        return true;
      case 5:
        bytes_ = take(4);
        return true;
      default:
        fail("a field of an unknown kind");
    }
  }

  std::uint64_t field() const { return field_; }
  std::uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }
  // The field as it stands in the file.
  std::string_view raw() const { return {start_, static_cast<std::size_t>(rest_.data() - start_)}; }
  float real() const {
    if (bytes_.size() != 4) fail("a number of the wrong size");
    std::uint32_t bits = 0;
    std::memcpy(&bits, bytes_.data(), 4);
    return std::bit_cast<float>(bits);
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::bad_format,
                where_ + ": not a sentencepiece model: " + what +
                    "; the file is damaged or of another kind, download it again",
                where_);
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    fail("it ends within a number");
  }
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) {
      fail("a field of " + std::to_string(count) + " bytes, but " + std::to_string(rest_.size()) +
           " are left");
    }
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  const std::string& where_;
  const char* start_ = nullptr;
  std::uint64_t field_ = 0, number_ = 0;
  std::string_view bytes_;
};

SentencepieceModel::Piece read_piece(std::string_view bytes, const std::string& where) {
  SentencepieceModel::Piece piece;
  Message message(bytes, where);
  while (message.next()) {
    if (message.field() == 1) piece.text = message.bytes();
    if (message.field() == 2) piece.score = message.real();
    if (message.field() != 3) continue;
    if (message.number() < 1 || message.number() > 6) message.fail("a piece of an unknown kind");
    piece.kind = static_cast<PieceKind>(message.number());
  }
  if (find_invalid_utf8(piece.text)) message.fail("a piece that is not UTF-8");
  if (piece.text.find('\0') != std::string::npos) message.fail("a piece with a NUL byte");
  if (!std::isfinite(piece.score)) message.fail("a score that is no number");
  return piece;
}

void read_trainer_settings(std::string_view bytes, const std::string& where,
                           SentencepieceModel& model) {
  Message message(bytes, where);
  while (message.next()) {
    if (message.field() == 3) model.algorithm = message.number();
    if (message.field() == 24) model.space_is_suffix = message.number() != 0;
    if (message.field() == 35) model.byte_fallback = message.number() != 0;
  }
}

void read_normalizer_settings(std::string_view bytes, const std::string& where,
                              SentencepieceModel& model) {
  Message message(bytes, where);
  while (message.next()) {
    if (message.field() == 2) model.charsmap = message.bytes();
    if (message.field() == 3) model.adds_prefix = message.number() != 0;
    if (message.field() == 4) model.removes_extra_spaces = message.number() != 0;
    if (message.field() == 5) model.escapes_spaces = message.number() != 0;
  }
}

void append_varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7U) out += static_cast<char>(0x80U | (value & 0x7FU));
  out += static_cast<char>(value);
}

// A normalizer's settings without its character map, and the map.
std::pair<std::string, std::string> split_charsmap(std::string_view bytes,
                                                   const std::string& where) {
  std::pair<std::string, std::string> parts;
  Message message(bytes, where);
  while (message.next()) {
    if (message.field() == 2) {
      parts.second = message.bytes();
    } else {
      parts.first += message.raw();
    }
  }
  return parts;
}

}  // namespace

DecodingPart decoding_part(std::string_view bytes, const std::string& where) {
  constexpr std::uint64_t normalizer = 3, self_test = 4, denormalizer = 5;
  DecodingPart part;
  Message message(bytes, where);
  while (message.next()) {
    if (message.field() == self_test) continue;
    if (message.field() != normalizer && message.field() != denormalizer) {
      part.model += message.raw();
      continue;
    }
    auto [settings, charsmap] = split_charsmap(message.bytes(), where);
    if (message.field() == denormalizer) part.charsmap = std::move(charsmap);
    append_varint(message.field() << 3U | 2U, part.model);
    append_varint(settings.size(), part.model);
    part.model += settings;
  }
  return part;
}

SentencepieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& where) {
  SentencepieceModel model;
  Message message(bytes, where);
  while (message.next()) {
    if (message.field() == 1) model.pieces.push_back(read_piece(message.bytes(), where));
    if (message.field() == 2) read_trainer_settings(message.bytes(), where, model);
    if (message.field() == 3) read_normalizer_settings(message.bytes(), where, model);
    if (model.pieces.size() > static_cast<std::size_t>(Vocabulary::max_ids)) {
      message.fail("more than " + std::to_string(Vocabulary::max_ids) + " pieces");
    }
  }
  if (model.pieces.empty()) message.fail("it has no pieces");
  return model;
}

SentencepieceModel read_sentencepiece_model(const std::filesystem::path& file) {
  return parse_sentencepiece_model(read_file(file, max_sentencepiece_bytes), file.string());
}

std::size_t count_sentencepieces(std::string_view bytes, const std::string& where) {
  std::size_t count = 0;
  Message message(bytes, where);
  while (message.next()) count += message.field() == 1 ? 1 : 0;
  return count;
}

}  // namespace llm::detail
