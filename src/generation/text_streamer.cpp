// Incremental decoding. A tokenizer's decoder looks beyond one token: it strips a leading space,
// joins bytes to characters, and treats a run of byte tokens as a whole. So a short window of
// settled tokens is always decoded together with the new ones, and only what these add is text.
// Cleaning up spaces looks beyond tokens in another way, and is done afterwards.
#include "llm/generation/text_streamer.hpp"

#include <algorithm>
#include <utility>

#include "tokenizer/decoder.hpp"

namespace llm {

namespace {

constexpr std::string_view replacement =
    "\xEF\xBF\xBD";  // U+FFFD: bytes that are not a character yet

bool has_visible(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") != std::string_view::npos;
}

// Bytes at the beginning that both have, without a broken character at the end.
std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto at = std::ranges::mismatch(a, b).in1;
  auto length = static_cast<std::size_t>(at - a.begin());
  if (length == a.size() && length == b.size()) return length;
  const auto continues = [&](std::string_view text) {
    return length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80;
  };
  while (length > 0 && (continues(a) || continues(b))) --length;
  return length;
}

// How many bytes at the end of `text` may be the beginning of `stop`.
std::size_t overlap(std::string_view text, std::string_view stop) {
  std::size_t length = std::min(text.size(), stop.size() - 1);
  while (length > 0 && !text.ends_with(stop.substr(0, length))) --length;
  return length;
}

}  // namespace

TextStreamer::TextStreamer(const Tokenizer& tokenizer, std::span<const TokenId> context,
                           std::vector<std::string> stop_strings)
    : tokenizer_(&tokenizer),
      cleans_up_(tokenizer.cleans_up_spaces()),
      stop_strings_(std::move(stop_strings)) {
  // The shortest end of the context that has visible text.
  for (std::size_t count = std::min<std::size_t>(context.size(), 16);; count *= 2) {
    count = std::min(count, context.size());
    const auto tail = context.last(count);
    ids_.assign(tail.begin(), tail.end());
    window_text_ = decode(0);
    if (count == context.size() || (has_visible(window_text_) && !is_byte_token(ids_[0]))) break;
  }
  settled_ = ids_.size();
}

std::string TextStreamer::decode(std::size_t first) const {
  return tokenizer_->decode(std::span(ids_).subspan(first), {.clean_up_spaces = false});
}

bool TextStreamer::is_byte_token(TokenId id) const {
  const std::string token = tokenizer_->token(id);
  return token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
}

// Whether decoding skips the token, so that it does not interrupt a run of bytes.
bool TextStreamer::is_skipped(TokenId id) const {
  return tokenizer_->is_special(id) || tokenizer_->token(id).empty();
}

bool TextStreamer::may_change(std::string_view text) const {
  if (text.ends_with(replacement)) return true;
  std::size_t last = ids_.size();
  while (last > settled_ && is_skipped(ids_[last - 1])) --last;
  return last > settled_ && is_byte_token(ids_[last - 1]);
}

bool TextStreamer::put(TokenId id) {
  ids_.push_back(id);
  std::string all = decode(window_);
  const std::size_t known = common_prefix(window_text_, all);
  open_.replace(open_settled_, std::string::npos, all, known, std::string::npos);
  const std::size_t search_from = stable_;
  set_end(cleans_up_ ? detail::clean_up_spaces(open_, false) : open_);
  if (find_stop(search_from)) return true;
  if (!may_change(all)) settle(std::move(all));
  return false;
}

// The text after the stable part. Earlier tokens do not take part in what this one changes.
void TextStreamer::set_end(std::string_view end) {
  const std::size_t same = stable_ + common_prefix(std::string_view(text_).substr(stable_), end);
  for (auto at = text_end_.rbegin(); at != text_end_.rend() && *at > same; ++at) *at = same;
  text_.replace(stable_, std::string::npos, end);
  text_end_.push_back(text_.size());
}

// No later token can change how the tokens so far are decoded. `all`: the text of the window's
// tokens.
void TextStreamer::settle(std::string all) {
  const std::size_t closed = cleans_up_ ? detail::closed_to_clean_up(open_) : open_.size();
  if (cleans_up_) {
    stable_ += detail::clean_up_spaces(open_.substr(0, closed), false).size();
  } else {
    stable_ += closed;
  }
  open_.erase(0, closed);
  open_settled_ = open_.size();
  // The next window begins where this token's text began, if that part has a word to begin with.
  if (std::string next = decode(settled_); has_visible(next)) {
    window_ = settled_;
    window_text_ = std::move(next);
  } else {
    window_text_ = std::move(all);
  }
  settled_ = ids_.size();
}

bool TextStreamer::find_stop(std::size_t from) {
  std::size_t first = std::string::npos;
  for (const std::string& stop : stop_strings_) {
    const std::size_t at = text_.find(stop, from - std::min(from, stop.size() - 1));
    if (at < first) {
      first = at;
      stop_ = stop;
    }
  }
  if (first == std::string::npos) return false;
  text_.resize(first);
  finish();
  return true;
}

void TextStreamer::finish() {
  stable_ = text_.size();
  finished_ = true;
}

std::string TextStreamer::take() {
  // Text that may still change may also become the rest of a stop string.
  const std::string_view certain = std::string_view(text_).substr(0, stable_);
  std::size_t held = 0;
  if (!finished_) {
    for (const std::string& stop : stop_strings_) held = std::max(held, overlap(certain, stop));
  }
  const std::size_t limit = certain.size() - held;
  if (limit <= taken_) return {};
  const std::size_t begin = std::exchange(taken_, limit);
  return text_.substr(begin, limit - begin);
}

std::size_t TextStreamer::tokens_in_text() const {
  if (stop_.empty()) return text_end_.size();
  if (text_.empty()) return 0;
  return static_cast<std::size_t>(std::ranges::lower_bound(text_end_, text_.size()) -
                                  text_end_.begin()) +
         1;
}

}  // namespace llm
