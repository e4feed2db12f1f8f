#include "tokenizer/text.hpp"

#include <algorithm>

namespace llm::detail {

void AlignedText::assign(std::string_view original, std::uint32_t offset) {
  text.assign(original);
  spans.clear();
  spans.reserve(text.size());
  origin = offset;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t bytes = decode_utf8(text, at).bytes;
    const auto begin = offset + static_cast<std::uint32_t>(at);
    spans.insert(spans.end(), bytes, Span{begin, begin + bytes});
    at += bytes;
  }
}

void AlignedText::transform(std::span<const Change> changes, std::size_t removed) {
  std::string next;
  std::vector<Span> next_spans;
  next.reserve(text.size());
  next_spans.reserve(text.size());
  std::size_t at = 0;  // in the old text
  const auto skip = [&](std::size_t count) {
    for (; count > 0 && at < text.size(); --count) at += decode_utf8(text, at).bytes;
  };
  skip(removed);
  for (const Change& change : changes) {
    Span span{origin, origin};
    if (change.change > 0) {
      if (at > 0) span = spans[at - 1];  // what is inserted shares the origin of what is before it
    } else {
      span = at < spans.size() ? spans[at] : spans.empty() ? span : spans.back();
      skip(1 + static_cast<std::size_t>(-change.change));
    }
    append_utf8(next, change.c);
    next_spans.insert(next_spans.end(), utf8_length(change.c), span);
  }
  text = std::move(next);
  spans = std::move(next_spans);
}

void AlignedText::prepend(std::string_view prefix) {
  if (text.empty()) return;
  text.insert(0, prefix);
  spans.insert(spans.begin(), prefix.size(), Span(spans.front()));
}

void AlignedText::replace(std::span<const Span> matches, std::string_view content) {
  if (matches.empty()) return;
  std::string next;
  std::vector<Span> next_spans;
  std::size_t last = 0;
  const auto copy = [&](std::size_t end) {
    next.append(text, last, end - last);
    next_spans.insert(next_spans.end(), spans.begin() + static_cast<std::ptrdiff_t>(last),
                      spans.begin() + static_cast<std::ptrdiff_t>(end));
  };
  for (const Span& match : matches) {
    copy(match.begin);
    const Span span = match.end > 0 ? spans[match.end - 1] : Span{origin, origin};
    next += content;
    next_spans.insert(next_spans.end(), content.size(), span);
    last = match.end;
  }
  copy(text.size());
  text = std::move(next);
  spans = std::move(next_spans);
}

Pieces::Pieces(std::string_view original) : bytes_(original.size()) {
  sources_.emplace_back().text = original;
  if (!original.empty()) list.push_back({0, 0, static_cast<std::uint32_t>(original.size())});
}

std::uint32_t Pieces::origin(const Piece& piece) const {
  const Source& source = sources_[piece.source];
  return source.spans.empty() ? piece.begin : source.spans[piece.begin].begin;
}

Span Pieces::original_span(const Piece& piece, std::uint32_t begin, std::uint32_t end) const {
  const Source& source = sources_[piece.source];
  const std::uint32_t limit = piece.end;
  std::uint32_t first = std::min(piece.begin + begin, limit);
  std::uint32_t last = std::min(piece.begin + end, limit);
  if (!source.spans.empty()) {
    if (first >= last) return {origin(piece), origin(piece)};
    return {source.spans[first].begin, source.spans[last - 1].end};
  }
  while (first > piece.begin && first < limit && is_utf8_continuation(source.text[first])) --first;
  while (last < limit && is_utf8_continuation(source.text[last])) ++last;
  return {first, last};
}

void Pieces::load(const Piece& piece, AlignedText& out) const {
  const Source& source = sources_[piece.source];
  if (source.spans.empty()) {
    out.assign(text(piece), piece.begin);
    return;
  }
  out.text.assign(text(piece));
  const auto part = source.spans.subspan(piece.begin, piece.end - piece.begin);
  out.spans.assign(part.begin(), part.end());
  out.origin = origin(piece);
}

Piece Pieces::append(Source& source, std::uint32_t index, const AlignedText& text) {
  const auto begin = static_cast<std::uint32_t>(source.owned.text.size());
  source.owned.text += text.text;
  bytes_ += text.text.size();
  source.owned.spans.insert(source.owned.spans.end(), text.spans.begin(), text.spans.end());
  return {index, begin, begin + static_cast<std::uint32_t>(text.text.size())};
}

}  // namespace llm::detail
