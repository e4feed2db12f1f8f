// Toy models and tokenizers: small enough to be enumerated, awkward enough to find mistakes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/generation/generator.hpp"
#include "llm/model/language_model.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm::toy {

// A number in [0, 1) from a sequence: FNV-1a with a final mix.
inline double hash01(std::span<const TokenId> ids, std::uint64_t salt) {
  std::uint64_t h = 1469598103934665603u ^ (salt * 0x9E3779B97F4A7C15u);
  for (const TokenId id : ids) h = (h ^ static_cast<std::uint64_t>(id + 1)) * 1099511628211u;
  h ^= h >> 33;
  h *= 0xFF51AFD7ED558CCDu;
  h ^= h >> 33;
  return static_cast<double>(h >> 11) * 0x1p-53;
}

template <typename S>
struct State final : SequenceState<S> {
  std::vector<TokenId> source;
  std::vector<TokenId> ids;
  std::unique_ptr<SequenceState<S>> fork() const override { return std::make_unique<State>(*this); }
  std::int64_t length() const override { return static_cast<std::int64_t>(ids.size()); }
  void truncate(std::int64_t length) override {
    ASSERT_LE(length, this->length());
    ids.resize(static_cast<std::size_t>(length));
  }
};

// Logits are a hash of the whole history, spread over [0, spread).
template <typename S>
class Model final : public LanguageModel<S> {
 public:
  std::int64_t vocabulary = 17;
  bool encoder_decoder = false;
  std::optional<std::int64_t> context;
  std::optional<std::int64_t> source_limit;
  double spread = 4.0;
  // Replaces the logits when set.
  std::function<void(std::span<const TokenId> ids, std::span<S> logits)> rule;
  // Fails for the sequences it returns true for.
  std::function<bool(std::span<const TokenId> ids)> broken;
  mutable std::int64_t steps = 0;
  mutable std::int64_t tokens = 0;
  mutable std::size_t widest = 0;

  std::int64_t vocab_size() const override { return vocabulary; }
  bool is_encoder_decoder() const override { return encoder_decoder; }
  std::optional<std::int64_t> max_length() const override { return context; }
  std::optional<std::int64_t> max_source_length() const override { return source_limit; }

  std::vector<std::unique_ptr<SequenceState<S>>> start(
      std::span<const std::span<const TokenId>> sources, Workspace&) const override {
    std::vector<std::unique_ptr<SequenceState<S>>> states;
    for (const auto source : sources) {
      EXPECT_EQ(source.empty(), !encoder_decoder);
      auto state = std::make_unique<State<S>>();
      state->source.assign(source.begin(), source.end());
      states.push_back(std::move(state));
    }
    return states;
  }

  TensorView<const S> step(std::span<const StepInput<S>> batch,
                           Workspace& workspace) const override {
    for (const auto& input : batch) {
      auto& state = static_cast<State<S>&>(*input.state);
      std::vector<TokenId> ids = state.ids;
      ids.insert(ids.end(), input.ids.begin(), input.ids.end());
      if (broken && broken(ids)) throw Error(ErrorCode::out_of_memory, "the toy is broken");
      if (context && static_cast<std::int64_t>(ids.size()) > *context) {
        throw Error(ErrorCode::context_overflow, "the toy is full");
      }
    }
    ++steps;
    widest = std::max(widest, batch.size());
    const auto rows = static_cast<std::int64_t>(batch.size());
    workspace.release();
    const TensorView<S> logits = workspace.take<S>(rows, vocabulary);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto& input = batch[static_cast<std::size_t>(r)];
      auto& state = static_cast<State<S>&>(*input.state);
      EXPECT_FALSE(input.ids.empty());
      tokens += static_cast<std::int64_t>(input.ids.size());
      state.ids.insert(state.ids.end(), input.ids.begin(), input.ids.end());
      fill(state, logits.row(r));
    }
    return logits;
  }

  void fill(const State<S>& state, std::span<S> logits) const {
    if (rule) return rule(state.ids, logits);
    const double salt = state.source.empty() ? 0.0 : hash01(state.source, 99) * 1e6;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      logits[i] =
          static_cast<S>(spread * hash01(state.ids, i + static_cast<std::uint64_t>(salt) * 1000));
    }
  }
};

// Each token is a string; decode() concatenates. Two ways to be awkward: `strip` takes one leading
// space off the whole text (sentencepiece), and tokens spelled <0xNN> are bytes, of which a run
// that is no UTF-8 becomes one U+FFFD a byte (byte fallback). `clean_up` takes spaces away that
// stand before punctuation and contractions. Words that are empty are ids that no token has.
class Words final : public Tokenizer {
 public:
  std::vector<std::string> words;
  std::vector<TokenId> specials;
  bool strip = false;
  bool byte_runs = true;  // false: bytes are judged one character at a time, as in byte-level BPE
  bool clean_up = false;

  explicit Words(std::vector<std::string> list) : words(std::move(list)) {}

  Encoding encode(std::string_view text, const EncodeOptions&) const override {
    Encoding encoding;  // greedy longest match
    while (!text.empty()) {
      std::size_t best = words.size();
      for (std::size_t i = 0; i < words.size(); ++i) {
        const bool longer = best == words.size() || words[i].size() > words[best].size();
        if (!words[i].empty() && text.starts_with(words[i]) && longer) best = i;
      }
      if (best == words.size()) throw Error(ErrorCode::invalid_input, "unknown text");
      encoding.ids.push_back(static_cast<TokenId>(best));
      encoding.offsets.push_back({1, 1});
      encoding.type_ids.push_back(0);
      text.remove_prefix(words[best].size());
    }
    return encoding;
  }
  Encoding encode_pair(std::string_view, std::string_view, const EncodeOptions&) const override {
    return {};
  }
  std::string decode(std::span<const TokenId> ids, const DecodeOptions& options) const override {
    std::string text, bytes;
    for (const TokenId id : ids) {
      if (options.skip_special_tokens && is_special(id)) continue;
      const std::string& word = words[static_cast<std::size_t>(id)];
      if (word.empty()) continue;
      if (is_byte(word)) {
        bytes.push_back(static_cast<char>(std::stoi(word.substr(3, 2), nullptr, 16)));
        continue;
      }
      text += characters(std::exchange(bytes, {})) + word;
    }
    text += characters(bytes);
    if (strip && text.starts_with(" ")) text.erase(0, 1);
    return options.clean_up_spaces.value_or(clean_up) ? cleaned_up(std::move(text)) : text;
  }
  bool cleans_up_spaces() const override { return clean_up; }
  TokenId vocab_size() const override { return static_cast<TokenId>(words.size()); }
  std::string token(TokenId id) const override { return words.at(static_cast<std::size_t>(id)); }
  std::optional<TokenId> id(std::string_view token) const override {
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == token) return static_cast<TokenId>(i);
    }
    return std::nullopt;
  }
  bool is_special(TokenId id) const override {
    return std::find(specials.begin(), specials.end(), id) != specials.end();
  }
  const SpecialTokens& special() const override { return special_; }
  const std::string& chat_template() const override { return empty_; }
  const std::string& description() const override { return empty_; }

 private:
  // The reference's clean_up_tokenization().
  static std::string cleaned_up(std::string text) {
    const std::pair<const char*, const char*> rules[] = {
        {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
        {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (const auto& [from, to] : rules) {
      const std::string_view found(from);
      for (std::size_t at = text.find(found); at != std::string::npos;
           at = text.find(found, at + std::string_view(to).size())) {
        text.replace(at, found.size(), to);
      }
    }
    return text;
  }

  static bool is_byte(const std::string& word) { return word.starts_with("<0x"); }

  // Bytes as text: whole when they are UTF-8, else U+FFFD for each (or each broken character).
  std::string characters(const std::string& bytes) const {
    std::string text;
    for (std::size_t i = 0; i < bytes.size();) {
      const auto lead = static_cast<unsigned char>(bytes[i]);
      const std::size_t want = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
      std::size_t have = 1;
      while (have < want && i + have < bytes.size() && (bytes[i + have] & 0xC0) == 0x80) ++have;
      const bool good = have == want && (lead < 0x80 || lead >= 0xC0);
      if (!good && byte_runs) {
        text.clear();
        for (std::size_t k = 0; k < bytes.size(); ++k) text += "\xEF\xBF\xBD";
        return text;
      }
      text += good ? bytes.substr(i, have) : std::string("\xEF\xBF\xBD");
      i += have;
    }
    return text;
  }

  SpecialTokens special_;
  std::string empty_;
};

// One token for each of a to p, and eos "</s>" as 0.
inline Words letters() {
  std::vector<std::string> words{"</s>"};
  for (char c = 'a'; c <= 'p'; ++c) words.emplace_back(1, c);
  Words tokenizer(std::move(words));
  tokenizer.specials = {0};
  return tokenizer;
}

}  // namespace llm::toy
