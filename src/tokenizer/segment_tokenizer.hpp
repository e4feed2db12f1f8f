// What all tokenizers share: a text or a pair becomes segments, which the post-processor joins.
#pragma once

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/post_processor.hpp"

namespace llm::detail {

// The language codes of a translation model stand where the file's post-processor puts bos and eos.
struct LanguageMarks {
  enum class Place { before_text, behind_eos };
  Place place = Place::behind_eos;
  TokenId eos = -1;
  std::string source, target;  // codes that are used unless the caller names one
};

class SegmentTokenizer : public Tokenizer {
 public:
  Encoding encode(std::string_view text, const EncodeOptions& options) const final;
  Encoding encode_pair(std::string_view first, std::string_view second,
                       const EncodeOptions& options) const final;

  const SpecialTokens& special() const final { return special_; }
  const std::string& chat_template() const final { return chat_template_; }
  std::optional<std::int64_t> max_length() const final { return max_length_; }
  bool pads_left() const final { return pads_left_; }
  bool truncates_left() const final { return truncates_left_; }
  const std::string& description() const final { return description_; }
  LanguageMark language_mark() const final {
    return languages_       ? LanguageMark::own
           : marks_in_text_ ? LanguageMark::target
                            : LanguageMark::none;
  }

 protected:
  virtual Segment encode_text(std::string_view text, const EncodeOptions& options,
                              Work& work) const = 0;

  SpecialTokens special_;
  std::string chat_template_;
  std::optional<std::int64_t> max_length_;
  bool pads_left_ = false;
  bool truncates_left_ = false;
  bool has_token_types_ = true;
  std::string description_;
  std::unique_ptr<PostProcessor> post_processor_;  // may be absent
  std::optional<LanguageMarks> languages_;         // in place of post_processor_
  bool marks_in_text_ = false;                     // encode_text() sees to options.language

 private:
  Segment encode_checked(std::string_view text, const EncodeOptions& options, std::int32_t type_id,
                         Work& work) const;
  Encoding finish(std::vector<Segment> segments, const EncodeOptions& options, Work& work) const;
  std::unique_ptr<PostProcessor> language_template(const EncodeOptions& options) const;
};

}  // namespace llm::detail
