#include "tokenizer/post_processor.hpp"

#include <algorithm>

#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode.hpp"
#include "tokenizer/vocabulary.hpp"

namespace llm::detail {
namespace {

Segment special_segment(const std::vector<TokenId>& ids, std::int32_t type_id) {
  Segment segment;
  segment.encoding.ids = ids;
  segment.encoding.offsets.resize(ids.size());
  segment.encoding.type_ids.assign(ids.size(), type_id);
  segment.encoding.words.assign(ids.size(), -1);
  segment.edges.resize(ids.size());
  return segment;
}

// What a token takes in a segment, roughly.
constexpr std::size_t bytes_per_token = 32;

std::size_t bytes_of(const Segment& segment) {
  return (segment.encoding.ids.size() + 1) * bytes_per_token;
}

void set_type(Segment& segment, std::int32_t type_id) {
  std::fill(segment.encoding.type_ids.begin(), segment.encoding.type_ids.end(), type_id);
}

std::size_t forward(std::string_view text, std::size_t at, std::size_t end, std::uint32_t count) {
  for (; count > 0 && at < end; --count) at += decode_utf8(text, at).bytes;
  return std::min(at, end);
}

std::size_t backward(std::string_view text, std::size_t at, std::size_t begin,
                     std::uint32_t count) {
  for (; count > 0 && at > begin; --count) {
    --at;
    while (at > begin && is_utf8_continuation(text[at])) --at;
  }
  return at;
}

// Takes white space at the ends of tokens out of their offsets.
void trim_offsets(Segment& segment, bool add_prefix_space) {
  for (std::size_t i = 0; i < segment.edges.size(); ++i) {
    ByteSpan& span = segment.encoding.offsets[i];
    std::uint32_t leading = segment.edges[i].leading;
    // A single space before the first word may be one that was added: nothing to trim.
    if ((i == 0 || span.begin == 0) && add_prefix_space && leading == 1) leading = 0;
    span.begin = forward(segment.text, span.begin, span.end, leading);
    span.end = backward(segment.text, span.end, span.begin, segment.edges[i].trailing);
  }
}

class SequencePostProcessor final : public PostProcessor {
 public:
  explicit SequencePostProcessor(std::vector<std::unique_ptr<PostProcessor>> steps)
      : steps_(std::move(steps)) {}
  void run(std::vector<Segment>& segments, bool add_special_tokens, Work& work) const override {
    for (const auto& step : steps_) step->apply(segments, add_special_tokens, work);
  }
  bool trims_offsets() const override {
    return std::any_of(steps_.begin(), steps_.end(),
                       [](const auto& step) { return step->trims_offsets(); });
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> steps_;
};

class ByteLevelPostProcessor final : public PostProcessor {
 public:
  ByteLevelPostProcessor(bool trim, bool add_prefix_space)
      : trim_(trim), add_prefix_space_(add_prefix_space) {}
  void run(std::vector<Segment>& segments, bool /*add_special_tokens*/,
           Work& /*work*/) const override {
    if (!trim_) return;
    for (Segment& segment : segments) trim_offsets(segment, add_prefix_space_);
  }
  bool trims_offsets() const override { return trim_; }

 private:
  bool trim_, add_prefix_space_;
};

class TemplatePostProcessor final : public PostProcessor {
 public:
  TemplatePostProcessor(std::vector<TemplatePiece> single, std::vector<TemplatePiece> pair)
      : single_(std::move(single)), pair_(std::move(pair)) {}

  void run(std::vector<Segment>& segments, bool add_special_tokens, Work& work) const override {
    std::vector<Segment> out;
    for (const TemplatePiece& piece : segments.size() == 1 ? single_ : pair_) {
      if (piece.sequence >= 0) {
        const auto index = static_cast<std::size_t>(piece.sequence);
        if (index >= segments.size()) continue;  // a single template that names the second text
        work.make(bytes_of(segments[index]));
        out.push_back(segments[index]);
        set_type(out.back(), piece.type_id);
      } else if (add_special_tokens) {
        work.make(piece.ids.size() * bytes_per_token);
        out.push_back(special_segment(piece.ids, piece.type_id));
      }
    }
    segments = std::move(out);
  }

 private:
  std::vector<TemplatePiece> single_, pair_;
};

// <s> A </s> and, for a pair, <s> A </s> </s> B </s>; all of type 0.
class RobertaPostProcessor final : public PostProcessor {
 public:
  RobertaPostProcessor(TokenId cls, TokenId sep, bool trim, bool add_prefix_space)
      : cls_{cls}, sep_{sep}, trim_(trim), add_prefix_space_(add_prefix_space) {}

  void run(std::vector<Segment>& segments, bool add_special_tokens, Work& /*work*/) const override {
    std::vector<Segment> out;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (trim_) trim_offsets(segments[i], add_prefix_space_);
      set_type(segments[i], 0);
      if (add_special_tokens) out.push_back(special_segment(i == 0 ? cls_ : sep_, 0));
      out.push_back(std::move(segments[i]));
      if (add_special_tokens) out.push_back(special_segment(sep_, 0));
    }
    segments = std::move(out);
  }
  bool trims_offsets() const override { return trim_; }

 private:
  std::vector<TokenId> cls_, sep_;
  bool trim_, add_prefix_space_;
};

// [CLS] A [SEP] and, for a pair, [CLS] A [SEP] B [SEP] where B and its [SEP] are of type 1.
class BertPostProcessor final : public PostProcessor {
 public:
  BertPostProcessor(TokenId cls, TokenId sep) : cls_{cls}, sep_{sep} {}

  void run(std::vector<Segment>& segments, bool add_special_tokens, Work& /*work*/) const override {
    if (!add_special_tokens) return;
    std::vector<Segment> out;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (i == 0) out.push_back(special_segment(cls_, 0));
      out.push_back(std::move(segments[i]));
      out.push_back(special_segment(sep_, i == 0 ? 0 : 1));
    }
    segments = std::move(out);
  }

 private:
  std::vector<TokenId> cls_, sep_;
};

TokenId read_id(const Json& json, const std::string& where) {
  const bool fits = json.is_number_integer() && json.get<std::int64_t>() >= 0 &&
                    json.get<std::int64_t>() < Vocabulary::max_ids;
  if (!fits) {
    throw Error(ErrorCode::bad_format,
                where + ": a token id is " + quote(json.dump()) + ", expected 0 to " +
                    std::to_string(Vocabulary::max_ids - 1),
                where);
  }
  return json.get<TokenId>();
}

// A pair of token and id, as RobertaProcessing and BertProcessing name theirs.
TokenId read_named_id(const JsonFields& fields, const char* name) {
  const Json& pair = fields.array(name);
  if (pair.size() != 2) fields.fail(name, "[token, id]");
  return read_id(pair[1], fields.where() + "." + name);
}

TemplatePiece read_template_piece(const Json& json, const JsonFields& fields,
                                  const std::string& where) {
  const JsonFields piece(json, where);
  TemplatePiece out;
  if (piece.find("Sequence") != nullptr) {
    const JsonFields sequence = piece.object("Sequence");
    const std::string id = sequence.string("id");
    if (id != "A" && id != "B") sequence.fail("id", "\"A\" or \"B\"");
    out.sequence = id == "A" ? 0 : 1;
    out.type_id = static_cast<std::int32_t>(sequence.integer_or("type_id", 0) & 0x7FFFFFFF);
    return out;
  }
  const JsonFields special = piece.object("SpecialToken");
  const std::string id = special.string("id");
  out.type_id = static_cast<std::int32_t>(special.integer_or("type_id", 0) & 0x7FFFFFFF);
  const JsonFields tokens = fields.object("special_tokens").object(id.c_str());
  for (const Json& token : tokens.array("ids")) out.ids.push_back(read_id(token, tokens.where()));
  return out;
}

std::vector<TemplatePiece> read_template_pieces(const JsonFields& fields, const char* name) {
  std::vector<TemplatePiece> pieces;
  for (const Json& piece : fields.array(name)) {
    pieces.push_back(read_template_piece(piece, fields, fields.where() + "." + name));
  }
  return pieces;
}

std::unique_ptr<PostProcessor> read_post_processor_step(const JsonFields& fields,
                                                        const std::string& where) {
  const std::string type = fields.string("type");
  if (type == "Sequence") {
    std::vector<std::unique_ptr<PostProcessor>> steps;
    for (const Json& step : fields.array("processors")) {
      steps.push_back(
          read_post_processor(step, where + ".processors[" + std::to_string(steps.size()) + "]"));
    }
    return std::make_unique<SequencePostProcessor>(std::move(steps));
  }
  if (type == "ByteLevel") {
    return make_byte_level_post(fields.boolean_or("trim_offsets", true),
                                fields.boolean_or("add_prefix_space", true));
  }
  if (type == "TemplateProcessing") {
    return make_template(read_template_pieces(fields, "single"),
                         read_template_pieces(fields, "pair"));
  }
  if (type == "RobertaProcessing") {
    return make_roberta(read_named_id(fields, "cls"), read_named_id(fields, "sep"),
                        fields.boolean_or("trim_offsets", true),
                        fields.boolean_or("add_prefix_space", true));
  }
  if (type == "BertProcessing") {
    return make_bert(read_named_id(fields, "cls"), read_named_id(fields, "sep"));
  }
  fail_unsupported(where, "post-processor", type,
                   "Sequence, ByteLevel, TemplateProcessing, RobertaProcessing and BertProcessing");
}

}  // namespace

Encoding join_segments(std::vector<Segment> segments) {
  if (segments.size() == 1) return std::move(segments.front().encoding);
  Encoding out;
  for (const Segment& segment : segments) {
    const Encoding& part = segment.encoding;
    out.ids.insert(out.ids.end(), part.ids.begin(), part.ids.end());
    out.offsets.insert(out.offsets.end(), part.offsets.begin(), part.offsets.end());
    out.type_ids.insert(out.type_ids.end(), part.type_ids.begin(), part.type_ids.end());
    out.words.insert(out.words.end(), part.words.begin(), part.words.end());
  }
  if (out.words.size() != out.ids.size()) out.words.clear();  // texts have none
  return out;
}

std::unique_ptr<PostProcessor> make_template(std::vector<TemplatePiece> single,
                                             std::vector<TemplatePiece> pair) {
  return std::make_unique<TemplatePostProcessor>(std::move(single), std::move(pair));
}

std::unique_ptr<PostProcessor> make_bos_eos(TokenId bos, TokenId eos) {
  std::vector<TemplatePiece> single;
  std::vector<TemplatePiece> pair;
  for (int sequence = 0; sequence < 2; ++sequence) {
    if (bos >= 0) pair.push_back({-1, {bos}, sequence});
    pair.push_back({sequence, {}, sequence});
    if (eos >= 0) pair.push_back({-1, {eos}, sequence});
    if (sequence == 0) single = pair;
  }
  return make_template(std::move(single), std::move(pair));
}

std::unique_ptr<PostProcessor> make_eos(TokenId eos) {
  const TemplatePiece mark{-1, {eos}, 0};
  return make_template({{0, {}, 0}, mark}, {{0, {}, 0}, mark, {1, {}, 0}, mark});
}

std::unique_ptr<PostProcessor> make_bert(TokenId cls, TokenId sep) {
  return std::make_unique<BertPostProcessor>(cls, sep);
}

std::unique_ptr<PostProcessor> make_roberta(TokenId cls, TokenId sep, bool trim,
                                            bool add_prefix_space) {
  return std::make_unique<RobertaPostProcessor>(cls, sep, trim, add_prefix_space);
}

std::unique_ptr<PostProcessor> make_byte_level_post(bool trim, bool add_prefix_space) {
  return std::make_unique<ByteLevelPostProcessor>(trim, add_prefix_space);
}

void PostProcessor::apply(std::vector<Segment>& segments, bool add_special_tokens,
                          Work& work) const {
  const std::size_t before = segments.size();
  work.enter(where_);
  run(segments, add_special_tokens, work);
  if (segments.size() > before) work.make((segments.size() - before) * 16 * bytes_per_token);
}

std::unique_ptr<PostProcessor> read_post_processor(const Json& json, const std::string& where) {
  auto step = read_post_processor_step(JsonFields(json, where), where);
  step->set_where(where);
  return step;
}

}  // namespace llm::detail
