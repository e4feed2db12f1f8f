// Texts to tokens of at most as many as a model takes. The special tokens around the texts are
// found once, so that texts can be cut and put together again as the tokenizer would have done.
#include "llm/tasks/text_tokens.hpp"

#include <algorithm>

#include "llm/core/error.hpp"
#include "llm/tasks/batches.hpp"
#include "tokenizer/text_input.hpp"

namespace llm {

namespace {

void append(const Encoding& from, Range range, std::int32_t type, Encoding& to) {
  const auto at = [](const auto& values, std::int64_t i) { return values.begin() + i; };
  to.ids.insert(to.ids.end(), at(from.ids, range.begin), at(from.ids, range.end));
  to.offsets.insert(to.offsets.end(), at(from.offsets, range.begin), at(from.offsets, range.end));
  to.type_ids.insert(to.type_ids.end(), static_cast<std::size_t>(range.size()), type);
  if (!from.words.empty())
    to.words.insert(to.words.end(), at(from.words, range.begin), at(from.words, range.end));
}

void append(const Encoding& from, Encoding& to) {
  to.ids.insert(to.ids.end(), from.ids.begin(), from.ids.end());
  to.offsets.insert(to.offsets.end(), from.offsets.begin(), from.offsets.end());
  to.type_ids.insert(to.type_ids.end(), from.type_ids.begin(), from.type_ids.end());
  to.words.insert(to.words.end(), from.words.begin(), from.words.end());
}

std::int64_t size_of(const Encoding& encoding) {
  return static_cast<std::int64_t>(encoding.ids.size());
}

Encoding part(const Encoding& whole, std::size_t begin, std::size_t end) {
  Encoding result;
  for (std::size_t i = begin; i < end; ++i) {
    result.ids.push_back(whole.ids[i]);
    result.offsets.push_back({});
    result.type_ids.push_back(whole.type_ids[i]);
    result.words.push_back(-1);
  }
  return result;
}

// Where `ids` begin in `whole`, at `from` or behind.
std::size_t find_ids(const std::vector<TokenId>& whole, std::size_t from,
                     const std::vector<TokenId>& ids) {
  const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(from);
  return static_cast<std::size_t>(std::search(begin, whole.end(), ids.begin(), ids.end()) -
                                  whole.begin());
}

// Tokens that stay of texts of n1 and n2 tokens when `most` may, as the reference's tokenizers
// choose them (truncation "longest_first").
std::pair<std::int64_t, std::int64_t> longest_first(std::int64_t n1, std::int64_t n2,
                                                    std::int64_t most) {
  if (n1 > n2) {
    const auto [second, first] = longest_first(n2, n1, most);
    return {first, second};
  }
  if (n1 + std::max(n1, most - n1) <= most) return {n1, std::max(n1, most - n1)};
  return {most / 2, most / 2 + most % 2};
}

// The smaller of two limits; some number where there is none.
std::optional<TokenLimit> within_limit(std::optional<TokenLimit> limit,
                                       std::optional<std::int64_t> most) {
  if (!limit && !most) most = default_max_input_tokens;
  if (!most || (limit && limit->tokens <= *most)) return limit;
  return TokenLimit{*most, "max_input_tokens is " + std::to_string(*most)};
}

}  // namespace

std::vector<Range> split_batches(std::span<const TextTokens> texts, std::int64_t batch_tokens) {
  std::vector<Range> batches;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    if (batches.empty() || tokens + texts[i].size() > batch_tokens) {
      batches.push_back({index, index});
      tokens = 0;
    }
    tokens += texts[i].size();
    batches.back().end = index + 1;
  }
  return batches;
}

std::optional<TokenLimit> token_limit(const TransformerConfig& config, const Tokenizer& tokenizer,
                                      bool encoder_only) {
  std::optional<TokenLimit> limit;
  const auto at_most = [&](std::int64_t tokens, const std::string& source) {
    if (tokens > 0 && (!limit || tokens < limit->tokens)) limit = TokenLimit{tokens, source};
  };
  const auto positions = [&](const StackConfig& stack) {
    const std::int64_t count = stack.max_position_embeddings;
    at_most(count, "the model has " + std::to_string(count) + " positions");
  };
  if (config.kind != ModelKind::decoder) positions(config.encoder);
  const bool decoder_reads = config.kind == ModelKind::encoder_decoder && !encoder_only;
  if (config.kind == ModelKind::decoder || decoder_reads) positions(config.decoder);
  if (const auto tokens = tokenizer.max_length()) {
    at_most(*tokens, "the tokenizer's model_max_length is " + std::to_string(*tokens));
  }
  return limit;
}

std::int64_t TextEncoder::Layout::size() const {
  return size_of(before) + size_of(between) + size_of(after);
}

TextEncoder::TextEncoder(const Tokenizer& tokenizer, const TransformerConfig& config,
                         std::optional<TokenLimit> limit, InputOptions input)
    : tokenizer_(&tokenizer),
      limit_(within_limit(std::move(limit), input.max_input_tokens)),
      interrupt_(input.interrupt),
      has_types_(config.type_vocab_size > 1),
      single_(layout(tokenizer, false)),
      pair_(layout(tokenizer, true)) {
  if (limit_ && limit_->tokens <= single_.size()) {
    throw Error(ErrorCode::invalid_option,
                "a limit of " + std::to_string(limit_->tokens) + " tokens (" + limit_->source +
                    ") leaves no room for a text beside " + std::to_string(single_.size()) +
                    " special tokens; give a larger one");
  }
}

// Special tokens stand where they stand around any two texts.
TextEncoder::Layout TextEncoder::layout(const Tokenizer& tokenizer, bool pair) {
  const std::string_view text = "a";
  const EncodeOptions bare{.add_special_tokens = false};
  const Encoding content = tokenizer.encode(text, bare);
  const Encoding whole = pair ? tokenizer.encode_pair(text, text) : tokenizer.encode(text);
  const std::size_t size = whole.ids.size(), length = content.ids.size();
  const std::size_t first = std::min(find_ids(whole.ids, 0, content.ids), size);
  const std::size_t first_end = std::min(first + length, size);
  const std::size_t second = pair ? find_ids(whole.ids, first_end, content.ids) : first_end;
  const std::size_t second_end = pair ? std::min(second + length, size) : first_end;
  Layout result{part(whole, 0, first), part(whole, first_end, second),
                part(whole, second_end, size)};
  if (first < size) result.first_type = whole.type_ids[first];
  if (second < size) result.second_type = whole.type_ids[second];
  return result;
}

std::int64_t TextEncoder::added(bool pair) const { return (pair ? pair_ : single_).size(); }

Encoding TextEncoder::content(std::string_view text, const char* name) const {
  constexpr std::int64_t most_tokens = 1 << 18;  // for the bytes alone
  detail::check_text_size(text, most_tokens, true);
  Encoding encoding =
      tokenizer_->encode(text, {.add_special_tokens = false, .interrupt = interrupt_});
  if (!encoding.ids.empty()) return encoding;
  throw Error(ErrorCode::invalid_input,
              text.empty() ? std::string(name) + " is empty; give at least one word"
                           : std::string(name) + " " + quote(text) +
                                 " has no tokens: the tokenizer drops all of its characters; give "
                                 "at least one word");
}

TextTokens TextEncoder::encode(std::string_view text) const {
  const Encoding only = content(text, "the text");
  return join(only, {0, size_of(only)}, nullptr, {});
}

TextTokens TextEncoder::encode(std::string_view first, std::string_view second,
                               std::pair<const char*, const char*> names) const {
  const Encoding one = content(first, names.first), two = content(second, names.second);
  return join(one, {0, size_of(one)}, &two, {0, size_of(two)});
}

TextTokens TextEncoder::encode(const TaskText& text, Truncation truncation) const {
  for (const std::string* one : {&text.text, text.pair ? &*text.pair : nullptr})
    if (one != nullptr && limit_)
      detail::check_text_size(*one, limit_->tokens, truncation != Truncation::none);
  return fit(text.pair ? encode(text.text, *text.pair) : encode(text.text), truncation);
}

TextTokens TextEncoder::join(const Encoding& first, Range first_range, const Encoding* second,
                             Range second_range) const {
  const Layout& layout = second ? pair_ : single_;
  TextTokens result;
  Encoding& to = result.encoding;
  append(layout.before, to);
  result.first.begin = size_of(to);
  append(first, first_range, layout.first_type, to);
  result.first.end = size_of(to);
  append(layout.between, to);
  result.second.begin = size_of(to);
  if (second) append(*second, second_range, layout.second_type, to);
  result.second.end = size_of(to);
  append(layout.after, to);
  if (!has_types_) to.type_ids.clear();
  if (to.words.size() != to.ids.size()) to.words.clear();  // the tokenizer knows none
  return result;
}

TextTokens TextEncoder::cut(const TextTokens& tokens, Range first, Range second) const {
  const auto from = [](Range range, Range text) {
    return Range{text.begin + range.begin, text.begin + range.end};
  };
  const bool pair = tokens.second.size() > 0;
  return join(tokens.encoding, from(first, tokens.first), pair ? &tokens.encoding : nullptr,
              from(second, tokens.second));
}

TextTokens TextEncoder::fit(TextTokens tokens, Truncation truncation) const {
  if (!limit_ || tokens.size() <= limit_->tokens) return tokens;
  const std::int64_t n1 = tokens.first.size(), n2 = tokens.second.size();
  const std::int64_t most = limit_->tokens - (tokens.size() - n1 - n2);
  const auto [keep1, keep2] = truncation == Truncation::longest_first && n2 > 0
                                  ? longest_first(n1, n2, most)
                                  : std::pair{most - n2, n2};
  if (truncation == Truncation::none || keep1 < 1 || (n2 > 0 && keep2 < 1)) {
    throw Error(ErrorCode::context_overflow,
                std::string(n2 > 0 ? "the texts have " : "the text has ") +
                    std::to_string(tokens.size()) + " tokens with special tokens, but " +
                    limit_->source +
                    (truncation == Truncation::none
                         ? "; shorten it, or have it cut (--overflow truncate-right)"
                         : "; cutting leaves nothing of it, so shorten the second text"));
  }
  const auto kept = [&](std::int64_t size, std::int64_t keep) {
    return tokenizer_->truncates_left() ? Range{size - keep, size} : Range{0, keep};
  };
  TextTokens result = cut(tokens, kept(n1, keep1), kept(n2, keep2));
  result.truncated = true;
  return result;
}

}  // namespace llm
