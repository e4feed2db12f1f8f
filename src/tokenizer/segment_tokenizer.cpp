#include "tokenizer/segment_tokenizer.hpp"

#include "core/float_environment.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/text_input.hpp"

namespace llm::detail {

Encoding SegmentTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  Work work(text.size(), description_, ErrorCode::invalid_input, options.interrupt);
  std::vector<Segment> segments;
  segments.push_back(encode_checked(text, options, 0, work));
  return finish(std::move(segments), options, work);
}

Encoding SegmentTokenizer::encode_pair(std::string_view first, std::string_view second,
                                       const EncodeOptions& options) const {
  Work work(first.size() + second.size(), description_, ErrorCode::invalid_input,
            options.interrupt);
  std::vector<Segment> segments;
  segments.push_back(encode_checked(first, options, 0, work));
  segments.push_back(encode_checked(second, options, 1, work));
  return finish(std::move(segments), options, work);
}

Segment SegmentTokenizer::encode_checked(std::string_view text, const EncodeOptions& options,
                                         std::int32_t type_id, Work& work) const {
  const FloatEnvironment environment;
  check_text(text);
  Segment segment = encode_text(text, options, work);
  segment.text = text;
  segment.encoding.type_ids.assign(segment.encoding.ids.size(), type_id);
  return segment;
}

Encoding SegmentTokenizer::finish(std::vector<Segment> segments, const EncodeOptions& options,
                                  Work& work) const {
  if (!languages_ && !marks_in_text_ && !options.language.empty()) {
    throw Error(ErrorCode::invalid_option, description_ + " marks no languages, but language " +
                                               quote(options.language) +
                                               " was asked for; leave it out");
  }
  if (languages_) {
    language_template(options)->apply(segments, options.add_special_tokens, work);
  } else if (post_processor_ != nullptr) {
    post_processor_->apply(segments, options.add_special_tokens, work);
  }
  Encoding encoding = join_segments(std::move(segments));
  if (!has_token_types_) encoding.type_ids.assign(encoding.ids.size(), 0);
  return encoding;
}

std::unique_ptr<PostProcessor> SegmentTokenizer::language_template(
    const EncodeOptions& options) const {
  const std::string_view code = !options.language.empty() ? std::string_view(options.language)
                                : options.is_target       ? languages_->target
                                                          : languages_->source;
  const auto language = id(code);
  if (!language) {
    throw Error(ErrorCode::invalid_option,
                description_ + " does not know the language " + quote(code) +
                    "; expected a code such as \"en_XX\" that is a token of the vocabulary");
  }
  const bool before = languages_->place == LanguageMarks::Place::before_text;
  const TemplatePiece eos{-1, {languages_->eos}, 0};
  const TemplatePiece mark{-1, {*language}, 0};
  std::vector<TemplatePiece> single = {{0, {}, 0}};
  std::vector<TemplatePiece> pair = {{0, {}, 0}, {1, {}, 0}};
  for (std::vector<TemplatePiece>* pieces : {&single, &pair}) {
    if (before) pieces->insert(pieces->begin(), mark);
    pieces->push_back(eos);
    if (!before) pieces->push_back(mark);
  }
  return make_template(std::move(single), std::move(pair));
}

}  // namespace llm::detail
