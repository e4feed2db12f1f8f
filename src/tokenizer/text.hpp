// A text on its way to the model: what a normalizer changes (AlignedText) and what a pre-tokenizer
// splits (Pieces), both of which remember for every byte where in the original text it comes from.
// Alignments follow the reference (huggingface/tokenizers), which decides the offsets of tokens.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/types.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {

// What stands for a space in pieces and vocabularies after sentencepiece: "▁".
inline constexpr std::string_view escaped_space = "\xE2\x96\x81";

// Bytes [begin, end) of the original text.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// A text that was changed, with the origin of each of its bytes.
struct AlignedText {
  std::string text;
  std::vector<Span> spans;   // one a byte of `text`
  std::uint32_t origin = 0;  // where the part of the original begins that this text was made from

  // The text as it is, `offset` bytes into the original.
  void assign(std::string_view original, std::uint32_t offset);
  // Replaces the whole text. The first `removed` code points of the old text have no successor.
  void transform(std::span<const Change> changes, std::size_t removed = 0);
  void prepend(std::string_view prefix);
  // Replaces the matches (byte ranges, ascending, not overlapping) by `content`.
  void replace(std::span<const Span> matches, std::string_view content);
  // Keeps the code points for which keep(c) is true.
  template <class Keep>
  void filter(Keep keep);
  // Replaces each code point by map(c).
  template <class Map>
  void map(Map map);
};

// A run of text between two splits, or an added token that is final already.
struct Piece {
  static constexpr TokenId none = -1;
  std::uint32_t source = 0;  // which of the sources it lies in
  std::uint32_t begin = 0, end = 0;
  TokenId added = none;
  bool raw_bytes = false;  // the model shall see bytes, not the byte-level alphabet
};

// The pieces of one text in order, and the buffers they lie in.
class Pieces {
 public:
  struct Source {
    std::string_view text;
    std::span<const Span> spans;  // empty: bytes of the original
    AlignedText owned;
  };
  // A match of a pattern or the run between two matches; together they cover the piece.
  struct Match {
    std::uint32_t begin = 0, end = 0;
    bool is_match = false;
    TokenId added = Piece::none;  // the added token the part is
  };

  explicit Pieces(std::string_view original);

  std::vector<Piece> list;

  std::string_view original() const { return sources_.front().text; }
  // Of the original and of all that was made from it.
  std::size_t bytes() const { return bytes_; }
  std::string_view text(const Piece& piece) const {
    return sources_[piece.source].text.substr(piece.begin, piece.end - piece.begin);
  }
  // Where the piece begins in the original text.
  std::uint32_t origin(const Piece& piece) const;
  // The original bytes of [begin, end) of the piece; never part of a code point.
  Span original_span(const Piece& piece, std::uint32_t begin, std::uint32_t end) const;

  // Rewrites the text of every piece that is not an added token; empty ones disappear.
  template <class Rewrite>
  void rewrite(Rewrite change);
  // Cuts every piece that is not an added token into the parts that cut(text, parts) appends.
  template <class Cut>
  void split(Cut cut);

 private:
  void load(const Piece& piece, AlignedText& out) const;
  Piece append(Source& source, std::uint32_t index, const AlignedText& text);

  std::deque<Source> sources_;
  std::size_t bytes_ = 0;
};

template <class Keep>
void AlignedText::filter(Keep keep) {
  std::vector<Change> changes;
  changes.reserve(text.size());
  std::size_t removed = 0;
  std::size_t removed_first = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint next = decode_utf8(text, at);
    at += next.bytes;
    if (!keep(next.value)) {
      ++removed;
      continue;
    }
    if (changes.empty()) {
      removed_first = removed;
    } else {
      changes.back().change = -static_cast<std::int32_t>(removed);
    }
    removed = 0;
    changes.push_back({next.value, 0});
  }
  if (!changes.empty()) changes.back().change = -static_cast<std::int32_t>(removed);
  transform(changes, removed_first);
}

template <class Map>
void AlignedText::map(Map map) {
  std::vector<Change> changes;
  changes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint next = decode_utf8(text, at);
    at += next.bytes;
    changes.push_back({map(next.value), 0});
  }
  transform(changes);
}

template <class Rewrite>
void Pieces::rewrite(Rewrite change) {
  const auto index = static_cast<std::uint32_t>(sources_.size());
  Source& made = sources_.emplace_back();
  AlignedText scratch;
  std::vector<Piece> out;
  out.reserve(list.size());
  for (const Piece& piece : list) {
    if (piece.added != Piece::none) {
      out.push_back(piece);
      continue;
    }
    load(piece, scratch);
    change(scratch);
    if (!scratch.text.empty()) out.push_back(append(made, index, scratch));
  }
  made.text = made.owned.text;
  made.spans = made.owned.spans;
  list = std::move(out);
}

template <class Cut>
void Pieces::split(Cut cut) {
  std::vector<Piece> out;
  out.reserve(list.size());
  std::vector<Match> parts;
  for (const Piece& piece : list) {
    if (piece.added != Piece::none) {
      out.push_back(piece);
      continue;
    }
    parts.clear();
    cut(text(piece), parts);
    for (const Match& part : parts) {
      if (part.begin == part.end) continue;
      Piece& next = out.emplace_back(piece);
      next.begin = piece.begin + part.begin;
      next.end = piece.begin + part.end;
      next.added = part.added;
    }
  }
  list = std::move(out);
}

}  // namespace llm::detail
