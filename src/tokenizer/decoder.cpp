#include "tokenizer/decoder.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/regex.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

class SequenceDecoder final : public TokenDecoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<TokenDecoder>> steps)
      : steps_(std::move(steps)) {}
  void run(std::vector<std::string>& tokens, Work& work) const override {
    for (const auto& step : steps_) step->apply(tokens, work);
  }

 private:
  std::vector<std::unique_ptr<TokenDecoder>> steps_;
};

class ByteLevelDecoder final : public TokenDecoder {
 public:
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    std::string bytes;
    for (const std::string& token : tokens) append_spelled_bytes(bytes, token);
    tokens.assign(1, repair_utf8(std::move(bytes)));
  }
};

class ByteFallbackDecoder final : public TokenDecoder {
 public:
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    std::vector<std::string> out;
    out.reserve(tokens.size());
    std::string bytes;  // of byte tokens that are not decoded yet
    for (std::string& token : tokens) {
      if (const int byte = byte_of(token); byte >= 0) {
        bytes += static_cast<char>(byte);
        continue;
      }
      flush(bytes, out);
      out.push_back(std::move(token));
    }
    flush(bytes, out);
    tokens = std::move(out);
  }

 private:
  static int byte_of(const std::string& token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
    int byte = 0;
    // The reference reads "+F" as a number, too.
    const char* begin = token.data() + (token[3] == '+' ? 4 : 3);
    const auto [end, error] = std::from_chars(begin, token.data() + 5, byte, 16);
    return error == std::errc() && end == token.data() + 5 && *begin != '-' ? byte : -1;
  }

  static void flush(std::string& bytes, std::vector<std::string>& out) {
    if (bytes.empty()) return;
    if (!find_invalid_utf8(bytes)) {
      out.push_back(std::move(bytes));
    } else {
      out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
    }
    bytes.clear();
  }
};

class FuseDecoder final : public TokenDecoder {
 public:
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens.clear();
    tokens.push_back(std::move(all));
  }
};

class ReplaceDecoder final : public TokenDecoder {
 public:
  ReplaceDecoder(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void run(std::vector<std::string>& tokens, Work& work) const override {
    std::vector<Span> matches;
    for (std::string& token : tokens) {
      matches.clear();
      pattern_.find_all(token, matches, work);
      if (matches.empty()) continue;
      work.make(matches.size() * content_.size());
      std::string out;
      std::size_t last = 0;
      for (const Span& match : matches) {
        out.append(token, last, match.begin - last);
        out += content_;
        last = match.end;
      }
      token = out.append(token, last);
    }
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class StripDecoder final : public TokenDecoder {
 public:
  StripDecoder(char32_t content, std::int64_t start, std::int64_t stop)
      : start_(start), stop_(stop) {
    append_utf8(content_, content);
  }
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (std::int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) {
        rest.remove_prefix(content_.size());
      }
      for (std::int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) {
        rest.remove_suffix(content_.size());
      }
      if (rest.size() != token.size()) token = std::string(rest);
    }
  }

 private:
  std::string content_;
  std::int64_t start_, stop_;
};

class MetaspaceDecoder final : public TokenDecoder {
 public:
  MetaspaceDecoder(char32_t replacement, bool prepends) : prepends_(prepends) {
    append_utf8(replacement_, replacement);
  }
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replace_all(tokens[i], replacement_, i == 0 && prepends_ ? "" : " ");
    }
  }

 private:
  std::string replacement_;
  bool prepends_;
};

class BpeDecoder final : public TokenDecoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

class WordPieceDecoder final : public TokenDecoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0 && token.starts_with(prefix_)) {
        token.erase(0, prefix_.size());
      } else if (i > 0) {
        token.insert(0, 1, ' ');
      }
      if (cleanup_) token = clean_up_spaces(std::move(token), true);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

// Connectionist temporal classification: repeated tokens are one, padding is none.
class CtcDecoder final : public TokenDecoder {
 public:
  CtcDecoder(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  void run(std::vector<std::string>& tokens, Work& /*work*/) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (std::string& token : tokens) {
      token = replace_all(token, pad_, "");
      if (cleanup_) {
        token = replace_all(clean_up_spaces(std::move(token), true), delimiter_, " ");
      }
    }
    std::erase(tokens, std::string());
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

std::unique_ptr<TokenDecoder> read_decoders(const JsonFields& fields) {
  std::vector<std::unique_ptr<TokenDecoder>> steps;
  for (const Json& step : fields.array("decoders")) {
    steps.push_back(
        read_decoder(step, fields.where() + ".decoders[" + std::to_string(steps.size()) + "]"));
  }
  return std::make_unique<SequenceDecoder>(std::move(steps));
}

std::unique_ptr<TokenDecoder> read_decoder_step(const JsonFields& fields,
                                                const std::string& where) {
  const std::string type = fields.string("type");
  if (type == "Sequence") return read_decoders(fields);
  if (type == "ByteLevel") return make_byte_level_decoder();
  if (type == "ByteFallback") return std::make_unique<ByteFallbackDecoder>();
  if (type == "Fuse") return std::make_unique<FuseDecoder>();
  if (type == "Replace") {
    return std::make_unique<ReplaceDecoder>(read_pattern(fields.object("pattern")),
                                            fields.string("content"));
  }
  if (type == "Strip") {
    return std::make_unique<StripDecoder>(fields.code_point("content"), fields.integer("start"),
                                          fields.integer("stop"));
  }
  if (type == "Metaspace") {
    const bool prepends = fields.string_or("prepend_scheme", "always") != "never" &&
                          fields.boolean_or("add_prefix_space", true);
    return std::make_unique<MetaspaceDecoder>(fields.code_point("replacement"), prepends);
  }
  if (type == "BPEDecoder") {
    return std::make_unique<BpeDecoder>(fields.string_or("suffix", "</w>"));
  }
  if (type == "CTC") {
    return std::make_unique<CtcDecoder>(fields.string_or("pad_token", "<pad>"),
                                        fields.string_or("word_delimiter_token", "|"),
                                        fields.boolean_or("cleanup", true));
  }
  if (type == "WordPiece") {
    return std::make_unique<WordPieceDecoder>(fields.string_or("prefix", "##"),
                                              fields.boolean_or("cleanup", true));
  }
  fail_unsupported(where, "decoder", type,
                   "Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, "
                   "BPEDecoder, CTC and WordPiece");
}

}  // namespace

std::string replace_all(const std::string& text, std::string_view from, std::string_view to) {
  std::size_t found = from.empty() ? std::string::npos : text.find(from);
  if (found == std::string::npos) return text;
  std::string out;
  std::size_t last = 0;
  for (; found != std::string::npos; found = text.find(from, last)) {
    out.append(text, last, found - last);
    out += to;
    last = found + from.size();
  }
  return out.append(text, last);
}

std::string clean_up_spaces(std::string text, bool do_not) {
  constexpr std::pair<std::string_view, std::string_view> rules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : rules) {
    if (do_not || from != " do not") text = replace_all(text, from, to);
  }
  return text;
}

std::size_t closed_to_clean_up(std::string_view text) {
  // What may be the beginning of a rule: a space, and behind it what rules have before their ends.
  const std::size_t last_other = text.find_last_not_of(" 'nvr");
  return std::min(text.find(' ', last_other == std::string_view::npos ? 0 : last_other),
                  text.size());
}

std::unique_ptr<TokenDecoder> make_byte_level_decoder() {
  return std::make_unique<ByteLevelDecoder>();
}

std::unique_ptr<TokenDecoder> make_sentencepiece_decoder(bool strip_first_space) {
  std::vector<std::unique_ptr<TokenDecoder>> steps;
  steps.push_back(
      std::make_unique<ReplaceDecoder>(Pattern::literal(std::string(escaped_space)), " "));
  steps.push_back(std::make_unique<ByteFallbackDecoder>());
  steps.push_back(std::make_unique<FuseDecoder>());
  if (strip_first_space) steps.push_back(std::make_unique<StripDecoder>(U' ', 1, 0));
  return std::make_unique<SequenceDecoder>(std::move(steps));
}

void TokenDecoder::apply(std::vector<std::string>& tokens, Work& work) const {
  const auto size = [&] {
    return std::accumulate(
        tokens.begin(), tokens.end(), std::size_t{0},
        [](std::size_t sum, const std::string& token) { return sum + token.size(); });
  };
  const std::size_t before = size();
  work.enter(where_);
  work.look(before + tokens.size());
  run(tokens, work);
  const std::size_t after = size();
  if (after > before) work.make(after - before);
}

std::unique_ptr<TokenDecoder> read_decoder(const Json& json, const std::string& where) {
  auto step = read_decoder_step(JsonFields(json, where), where);
  step->set_where(where);
  return step;
}

}  // namespace llm::detail
