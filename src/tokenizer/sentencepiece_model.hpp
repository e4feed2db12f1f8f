// What a sentencepiece model file says: its pieces and the settings a pipeline is built from. The
// library that runs such models does not tell all of it, so the message is read here.
// Format: github.com/google/sentencepiece, src/sentencepiece_model.proto (protocol buffers).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace llm::detail {

enum class PieceKind : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

struct SentencepieceModel {
  struct Piece {
    std::string text;
    float score = 0;
    PieceKind kind = PieceKind::normal;
  };
  enum Algorithm : std::uint64_t { unigram = 1, bpe = 2 };

  std::vector<Piece> pieces;  // by id
  std::uint64_t algorithm = unigram;
  bool byte_fallback = false;
  bool adds_prefix = true;           // a space before the text (behind it: space_is_suffix)
  bool removes_extra_spaces = true;  // those at the ends and all but one of a run
  bool escapes_spaces = true;        // spaces become "▁"
  bool space_is_suffix = false;
  std::string charsmap;  // compiled character map, empty when there is none
};

constexpr std::size_t max_sentencepiece_bytes = std::size_t{256} << 20U;

// `where` names the file. Throws Error (bad_format).
SentencepieceModel parse_sentencepiece_model(std::string_view bytes, const std::string& where);
// The same from a file; also Error (file_not_found, io).
SentencepieceModel read_sentencepiece_model(const std::filesystem::path& file);
// What makes texts of pieces. The library trusts character maps and the samples to try a model on
// blindly: it gets neither.
struct DecodingPart {
  std::string model;     // for the library
  std::string charsmap;  // what is changed in a decoded text, empty when there is none
};
// Throws Error (bad_format).
DecodingPart decoding_part(std::string_view bytes, const std::string& where);
// How many pieces there are, without reading them.
std::size_t count_sentencepieces(std::string_view bytes, const std::string& where);

}  // namespace llm::detail
