#include "tokenizer/normalizer.hpp"

#include <algorithm>

#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/regex.hpp"

namespace llm::detail {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  void run(AlignedText& text, Work& work) const override {
    for (const auto& step : steps_) step->apply(text, work);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

void apply_form(AlignedText& text, NormalForm form) {
  if (is_ascii(text.text)) return;  // ASCII is normal in every form
  std::vector<Change> changes;
  normalize(text.text, form, changes);
  text.transform(changes);
}

void lowercase(AlignedText& text) {
  std::vector<Change> changes;
  changes.reserve(text.text.size());
  for (std::size_t at = 0; at < text.text.size();) {
    const CodePoint next = decode_utf8(text.text, at);
    at += next.bytes;
    char32_t second = 0;
    changes.push_back({to_lower(next.value, second), 0});
    if (second != 0) changes.push_back({second, 1});
  }
  text.transform(changes);
}

class FormNormalizer final : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  void run(AlignedText& text, Work& /*work*/) const override { apply_form(text, form_); }

 private:
  NormalForm form_;
};

class LowercaseNormalizer final : public Normalizer {
 public:
  void run(AlignedText& text, Work& /*work*/) const override { lowercase(text); }
};

class StripAccentsNormalizer final : public Normalizer {
 public:
  void run(AlignedText& text, Work& /*work*/) const override {
    if (!is_ascii(text.text)) text.filter([](char32_t c) { return !is_mark(c); });
  }
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(Pattern pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void run(AlignedText& text, Work& work) const override {
    std::vector<Span> matches;
    pattern_.find_all(text.text, matches, work);
    work.make(matches.size() * content_.size());
    text.replace(matches, content_);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class PrependNormalizer final : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}
  void run(AlignedText& text, Work& work) const override {
    work.make(prefix_.size());
    text.prepend(prefix_);
  }

 private:
  std::string prefix_;
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}
  void run(AlignedText& text, Work& /*work*/) const override {
    std::vector<Change> kept;
    for (std::size_t at = 0; at < text.text.size();) {
      const CodePoint next = decode_utf8(text.text, at);
      at += next.bytes;
      kept.push_back({next.value, 0});
    }
    std::size_t first = 0;
    std::size_t last = kept.size();
    while (left_ && first < last && is_whitespace(kept[first].c)) ++first;
    while (right_ && last > first && is_whitespace(kept[last - 1].c)) --last;
    if (first == 0 && last == kept.size()) return;
    text.transform(std::span(kept).subspan(first, last - first), first);
  }

 private:
  bool left_, right_;
};

// The clean-up of neural translation models.
class NmtNormalizer final : public Normalizer {
 public:
  void run(AlignedText& text, Work& /*work*/) const override {
    text.filter([](char32_t c) {
      return !((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
               c == 0x8F || c == 0x9F);
    });
    text.map([](char32_t c) {
      const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      return space ? U' ' : c;
    });
  }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void run(AlignedText& text, Work& /*work*/) const override {
    std::vector<Change> changes;
    changes.reserve(text.text.size());
    for (const char c : text.text) {
      changes.push_back({byte_to_letter(static_cast<unsigned char>(c)), is_utf8_continuation(c)});
    }
    text.transform(changes);
  }
};

bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

class BertNormalizer final : public Normalizer {
 public:
  BertNormalizer(bool clean, bool chinese, bool strip_accents, bool lower)
      : clean_(clean), chinese_(chinese), strip_accents_(strip_accents), lower_(lower) {}

  void run(AlignedText& text, Work& /*work*/) const override {
    if (clean_) clean(text);
    if (chinese_ && !is_ascii(text.text)) separate_chinese(text);
    if (strip_accents_ && !is_ascii(text.text)) {
      apply_form(text, NormalForm::nfd);
      text.filter([](char32_t c) { return !is_nonspacing_mark(c); });
    }
    if (lower_) lowercase(text);
  }

 private:
  static void clean(AlignedText& text) {
    text.filter([](char32_t c) {
      const bool space = c == '\t' || c == '\n' || c == '\r';
      return space || (c != 0 && c != 0xFFFD && !is_other(c));
    });
    text.map([](char32_t c) { return is_whitespace(c) ? U' ' : c; });
  }

  static void separate_chinese(AlignedText& text) {
    std::vector<Change> changes;
    for (std::size_t at = 0; at < text.text.size();) {
      const CodePoint next = decode_utf8(text.text, at);
      at += next.bytes;
      if (is_chinese(next.value)) {
        changes.insert(changes.end(), {{U' ', 0}, {next.value, 1}, {U' ', 1}});
      } else {
        changes.push_back({next.value, 0});
      }
    }
    text.transform(changes);
  }

  bool clean_, chinese_, strip_accents_, lower_;
};

std::unique_ptr<Normalizer> read_bert(const JsonFields& fields) {
  const bool lower = fields.boolean_or("lowercase", true);
  return std::make_unique<BertNormalizer>(fields.boolean_or("clean_text", true),
                                          fields.boolean_or("handle_chinese_chars", true),
                                          fields.boolean_or("strip_accents", lower), lower);
}

std::unique_ptr<Normalizer> read_normalizers(const JsonFields& fields) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const Json& step : fields.array("normalizers")) {
    steps.push_back(read_normalizer(
        step, fields.where() + ".normalizers[" + std::to_string(steps.size()) + "]"));
  }
  return make_normalizer_sequence(std::move(steps));
}

std::unique_ptr<Normalizer> read_normalizer_step(const JsonFields& fields,
                                                 const std::string& where) {
  const std::string type = fields.string("type");
  if (type == "Sequence") return read_normalizers(fields);
  if (type == "NFC") return std::make_unique<FormNormalizer>(NormalForm::nfc);
  if (type == "NFD") return std::make_unique<FormNormalizer>(NormalForm::nfd);
  if (type == "NFKC") return std::make_unique<FormNormalizer>(NormalForm::nfkc);
  if (type == "NFKD") return std::make_unique<FormNormalizer>(NormalForm::nfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "StripAccents") return std::make_unique<StripAccentsNormalizer>();
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "BertNormalizer") return read_bert(fields);
  if (type == "Replace") {
    return std::make_unique<ReplaceNormalizer>(read_pattern(fields.object("pattern")),
                                               fields.string("content"));
  }
  if (type == "Prepend") return std::make_unique<PrependNormalizer>(fields.string("prepend"));
  if (type == "Strip") {
    return std::make_unique<StripNormalizer>(fields.boolean("strip_left"),
                                             fields.boolean("strip_right"));
  }
  if (type == "Precompiled") {
    return make_precompiled_normalizer(fields.base64("precompiled_charsmap"), where);
  }
  fail_unsupported(where, "normalizer", type,
                   "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Nmt, ByteLevel, "
                   "BertNormalizer, Replace, Prepend, Strip and Precompiled");
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer_sequence(
    std::vector<std::unique_ptr<Normalizer>> steps) {
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

void Normalizer::apply(AlignedText& text, Work& work) const {
  const std::size_t before = text.text.size();
  work.enter(where_);
  work.look(before);
  run(text, work);
  if (text.text.size() > before) work.make(text.text.size() - before);
}

std::unique_ptr<Normalizer> read_normalizer(const Json& json, const std::string& where) {
  auto step = read_normalizer_step(JsonFields(json, where), where);
  step->set_where(where);
  return step;
}

}  // namespace llm::detail
