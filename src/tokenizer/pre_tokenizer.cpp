#include "tokenizer/pre_tokenizer.hpp"

#include <algorithm>

#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/splits.hpp"

namespace llm::detail {
namespace {

using Matches = std::vector<Pieces::Match>;

// Turns the spans a pattern found into parts that cover the text.
void cover(std::string_view text, const std::vector<Span>& spans, Matches& parts) {
  std::uint32_t last = 0;
  for (const Span& span : spans) {
    if (span.begin != last) parts.push_back({last, span.begin, false});
    parts.push_back({span.begin, span.end, true});
    last = span.end;
  }
  const auto size = static_cast<std::uint32_t>(text.size());
  if (last != size) parts.push_back({last, size, false});
}

// One part for each code point that is(c), and for each run between them.
template <class Is>
void cover_code_points(std::string_view text, Is is, Matches& parts) {
  std::uint32_t last = 0;
  const auto size = static_cast<std::uint32_t>(text.size());
  for (std::uint32_t at = 0; at < size;) {
    const CodePoint next = decode_utf8(text, at);
    if (is(next.value)) {
      if (last < at) parts.push_back({last, at, false});
      parts.push_back({at, at + next.bytes, true});
      last = at + next.bytes;
    }
    at += next.bytes;
  }
  if (last < size) parts.push_back({last, size, false});
}

// Joins neighbours: `joins(part, previous)` says whether a part belongs to the one before it.
template <class Joins>
void join(Matches& parts, Joins joins) {
  std::size_t kept = 0;
  bool previous = false;
  for (const Pieces::Match& part : parts) {
    if (kept > 0 && joins(part.is_match, previous)) {
      parts[kept - 1].end = part.end;
    } else {
      parts[kept++] = part;
    }
    previous = part.is_match;
  }
  parts.resize(kept);
}

void apply_behavior(SplitBehavior behavior, Matches& parts) {
  const auto joins_neighbour = [](bool is_match, bool previous) { return is_match && !previous; };
  switch (behavior) {
    case SplitBehavior::isolated:
      return;
    case SplitBehavior::removed:
      std::erase_if(parts, [](const Pieces::Match& part) { return part.is_match; });
      return;
    case SplitBehavior::contiguous:
      join(parts, [](bool is_match, bool previous) { return is_match == previous; });
      return;
    case SplitBehavior::merged_with_previous:
      join(parts, joins_neighbour);
      return;
    case SplitBehavior::merged_with_next:
      // The mirror image: seen from the end, a match joins what comes after it.
      std::reverse(parts.begin(), parts.end());
      for (Pieces::Match& part : parts) std::swap(part.begin, part.end);
      join(parts, joins_neighbour);
      for (Pieces::Match& part : parts) std::swap(part.begin, part.end);
      std::reverse(parts.begin(), parts.end());
      return;
  }
}

class SequencePreTokenizer final : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void run(Pieces& pieces, Work& work) const override {
    for (const auto& step : steps_) step->apply(pieces, work);
  }
  bool leave_raw_bytes() override { return !steps_.empty() && steps_.back()->leave_raw_bytes(); }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

class SplitPreTokenizer final : public PreTokenizer {
 public:
  SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void run(Pieces& pieces, Work& work) const override {
    std::vector<Span> spans;
    pieces.split([&](std::string_view text, Matches& parts) {
      spans.clear();
      pattern_.find_all(text, spans, work);
      cover(text, spans, parts);
      if (invert_) {
        for (Pieces::Match& part : parts) part.is_match = !part.is_match;
      }
      apply_behavior(behavior_, parts);
    });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

// Splits at the code points for which a predicate holds.
template <bool (*Is)(char32_t)>
class CodePointPreTokenizer final : public PreTokenizer {
 public:
  explicit CodePointPreTokenizer(SplitBehavior behavior) : behavior_(behavior) {}
  void run(Pieces& pieces, Work& /*work*/) const override {
    pieces.split([&](std::string_view text, Matches& parts) {
      cover_code_points(text, Is, parts);
      apply_behavior(behavior_, parts);
    });
  }

 private:
  SplitBehavior behavior_;
};
using DigitsPreTokenizer = CodePointPreTokenizer<is_numeric>;
using PunctuationPreTokenizer = CodePointPreTokenizer<is_punctuation>;
using WhitespaceSplitPreTokenizer = CodePointPreTokenizer<is_whitespace>;

// Words and runs of what is neither word nor white space.
class WhitespacePreTokenizer final : public PreTokenizer {
 public:
  void run(Pieces& pieces, Work& /*work*/) const override {
    const auto kind = [](char32_t c) { return is_word(c) ? 2 : is_whitespace(c) ? 0 : 1; };
    pieces.split([&](std::string_view text, Matches& parts) {
      int last = 0;
      for (std::uint32_t at = 0; at < text.size();) {
        const CodePoint next = decode_utf8(text, at);
        const int now = kind(next.value);
        if (now != 0 && now == last) {
          parts.back().end = at + next.bytes;
        } else if (now != 0) {
          parts.push_back({at, at + next.bytes, false});
        }
        last = now;
        at += next.bytes;
      }
    });
  }
};

class BertPreTokenizer final : public PreTokenizer {
 public:
  void run(Pieces& pieces, Work& work) const override {
    spaces_.apply(pieces, work);
    punctuation_.apply(pieces, work);
  }

 private:
  WhitespaceSplitPreTokenizer spaces_{SplitBehavior::removed};
  PunctuationPreTokenizer punctuation_{SplitBehavior::isolated};
};

class CharDelimiterPreTokenizer final : public PreTokenizer {
 public:
  explicit CharDelimiterPreTokenizer(char32_t delimiter) : delimiter_(delimiter) {}
  void run(Pieces& pieces, Work& /*work*/) const override {
    pieces.split([&](std::string_view text, Matches& parts) {
      cover_code_points(
          text, [&](char32_t c) { return c == delimiter_; }, parts);
      apply_behavior(SplitBehavior::removed, parts);
    });
  }

 private:
  char32_t delimiter_;
};

// Pieces of so many code points; the last one may be shorter.
class FixedLengthPreTokenizer final : public PreTokenizer {
 public:
  explicit FixedLengthPreTokenizer(std::int64_t length) : length_(length) {}
  void run(Pieces& pieces, Work& /*work*/) const override {
    pieces.split([&](std::string_view text, Matches& parts) {
      std::int64_t count = 0;
      for (std::uint32_t at = 0; at < text.size(); ++count) {
        const std::uint32_t end = at + decode_utf8(text, at).bytes;
        if (count % length_ == 0) parts.push_back({at, at, false});
        parts.back().end = end;
        at = end;
      }
    });
  }

 private:
  std::int64_t length_;
};

enum class PrependScheme { always, first, never };

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  MetaspacePreTokenizer(char32_t replacement, PrependScheme scheme, bool split)
      : scheme_(scheme), split_(split) {
    append_utf8(replacement_, replacement);
  }

  void run(Pieces& pieces, Work& work) const override {
    std::vector<Span> spaces;
    pieces.rewrite([&](AlignedText& text) {
      spaces.clear();
      for (std::uint32_t at = 0; at < text.text.size(); ++at) {
        if (text.text[at] == ' ') spaces.push_back({at, at + 1});
      }
      const bool is_first = text.origin == 0;
      text.replace(spaces, replacement_);
      if (scheme_ == PrependScheme::never || text.text.starts_with(replacement_)) return;
      if (scheme_ == PrependScheme::always || is_first) text.prepend(replacement_);
    });
    if (!split_) return;
    const Pattern pattern = Pattern::literal(replacement_);
    std::vector<Span> spans;
    pieces.split([&](std::string_view text, Matches& parts) {
      spans.clear();
      pattern.find_all(text, spans, work);
      cover(text, spans, parts);
      apply_behavior(SplitBehavior::merged_with_next, parts);
    });
  }

 private:
  std::string replacement_;
  PrependScheme scheme_;
  bool split_;
};

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space) {
    if (use_regex) {
      split_ = make_split(Pattern::regex(gpt2_split, "ByteLevel"), SplitBehavior::isolated, false);
    }
  }

  bool leave_raw_bytes() override { return raw_bytes_ = true; }

  void run(Pieces& pieces, Work& work) const override {
    const auto needs_space = [&](const Piece& piece) {
      return piece.added == Piece::none && !pieces.text(piece).starts_with(' ');
    };
    if (add_prefix_space_ && std::any_of(pieces.list.begin(), pieces.list.end(), needs_space)) {
      pieces.rewrite([](AlignedText& text) {
        if (!text.text.starts_with(' ')) text.prepend(" ");
      });
    }
    if (split_ != nullptr) split_->apply(pieces, work);
    if (raw_bytes_) {
      for (Piece& piece : pieces.list) piece.raw_bytes = true;
    } else {
      pieces.rewrite([](AlignedText& text) { spell(text); });
    }
  }

 private:
  static void spell(AlignedText& text) {
    std::vector<Span> spans;
    spans.reserve(text.text.size() * 2);
    std::string spelled;
    for (std::size_t i = 0; i < text.text.size(); ++i) {
      const char32_t letter = byte_to_letter(static_cast<unsigned char>(text.text[i]));
      append_utf8(spelled, letter);
      spans.insert(spans.end(), utf8_length(letter), text.spans[i]);
    }
    text.text = std::move(spelled);
    text.spans = std::move(spans);
  }

  bool add_prefix_space_;
  bool raw_bytes_ = false;
  std::unique_ptr<PreTokenizer> split_;
};

SplitBehavior read_behavior(const JsonFields& fields, const char* otherwise) {
  const std::string name = fields.string_or("behavior", otherwise);
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail_unsupported(fields.where(), "split behavior", name,
                   "Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous");
}

std::unique_ptr<PreTokenizer> read_metaspace(const JsonFields& fields) {
  const std::string name = fields.string_or("prepend_scheme", "always");
  PrependScheme scheme = PrependScheme::always;
  if (name == "first") {
    scheme = PrependScheme::first;
  } else if (name == "never" || !fields.boolean_or("add_prefix_space", true)) {
    scheme = PrependScheme::never;
  } else if (name != "always") {
    fail_unsupported(fields.where(), "prepend_scheme", name, "always, first and never");
  }
  return std::make_unique<MetaspacePreTokenizer>(fields.code_point("replacement"), scheme,
                                                 fields.boolean_or("split", true));
}

std::unique_ptr<PreTokenizer> read_pre_tokenizers(const JsonFields& fields) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const Json& step : fields.array("pretokenizers")) {
    steps.push_back(read_pre_tokenizer(
        step, fields.where() + ".pretokenizers[" + std::to_string(steps.size()) + "]"));
  }
  return make_sequence(std::move(steps));
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer_step(const JsonFields& fields,
                                                      const std::string& where) {
  const std::string type = fields.string("type");
  if (type == "Sequence") return read_pre_tokenizers(fields);
  if (type == "ByteLevel") {
    return make_byte_level(fields.boolean("add_prefix_space"),
                           fields.boolean_or("use_regex", true));
  }
  if (type == "Split") {
    return make_split(read_pattern(fields.object("pattern")), read_behavior(fields, ""),
                      fields.boolean_or("invert", false));
  }
  if (type == "Digits") return make_digits(fields.boolean_or("individual_digits", false));
  if (type == "Punctuation") {
    return std::make_unique<PunctuationPreTokenizer>(read_behavior(fields, "Isolated"));
  }
  if (type == "Whitespace") return std::make_unique<WhitespacePreTokenizer>();
  if (type == "WhitespaceSplit") {
    return std::make_unique<WhitespaceSplitPreTokenizer>(SplitBehavior::removed);
  }
  if (type == "BertPreTokenizer") return std::make_unique<BertPreTokenizer>();
  if (type == "Metaspace") return read_metaspace(fields);
  if (type == "CharDelimiterSplit") {
    return std::make_unique<CharDelimiterPreTokenizer>(fields.code_point("delimiter"));
  }
  if (type == "FixedLength") {
    const std::int64_t length = fields.integer_or("length", 5);
    if (length < 1) fields.fail("length", "at least 1");
    return std::make_unique<FixedLengthPreTokenizer>(length);
  }
  fail_unsupported(where, "pre-tokenizer", type,
                   "Sequence, ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, "
                   "BertPreTokenizer, Metaspace, CharDelimiterSplit and FixedLength");
}

}  // namespace

std::unique_ptr<PreTokenizer> make_byte_level(bool add_prefix_space, bool use_regex) {
  return std::make_unique<ByteLevelPreTokenizer>(add_prefix_space, use_regex);
}

std::unique_ptr<PreTokenizer> make_split(Pattern pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<SplitPreTokenizer>(std::move(pattern), behavior, invert);
}

std::unique_ptr<PreTokenizer> make_digits(bool individual) {
  return std::make_unique<DigitsPreTokenizer>(individual ? SplitBehavior::isolated
                                                         : SplitBehavior::contiguous);
}

std::unique_ptr<PreTokenizer> make_sequence(std::vector<std::unique_ptr<PreTokenizer>> steps) {
  return std::make_unique<SequencePreTokenizer>(std::move(steps));
}

void PreTokenizer::apply(Pieces& pieces, Work& work) const {
  const std::size_t before = pieces.bytes();
  work.enter(where_);
  work.look(before);
  run(pieces, work);
  work.make(pieces.bytes() - before);
}

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const Json& json, const std::string& where) {
  auto step = read_pre_tokenizer_step(JsonFields(json, where), where);
  step->set_where(where);
  return step;
}

}  // namespace llm::detail
