#include "tokenizer/pipeline.hpp"

#include <algorithm>

namespace llm::detail {
namespace {

constexpr std::size_t text_bytes_per_token =
    32;  // of text, far above what tokens have on the average

class Pipeline final : public SegmentTokenizer {
 public:
  explicit Pipeline(PipelineParts parts);

  std::string decode(std::span<const TokenId> ids, const DecodeOptions& options) const override;

  TokenId vocab_size() const override {
    return std::max(parts_.model->vocabulary().size(), parts_.added.size());
  }
  std::string token(TokenId id) const override {
    const AddedToken* added = parts_.added.find(id);
    return added != nullptr ? added->content : std::string(parts_.model->vocabulary().token(id));
  }
  std::optional<TokenId> id(std::string_view token) const override { return parts_.find(token); }
  bool is_special(TokenId id) const override {
    const auto [spelled, known] = spelling(id);
    return known && parts_.added.is_special(spelled);
  }
  std::string join(std::span<const std::string> tokens) const override {
    Work work(tokens.size() * text_bytes_per_token, description_);
    return joined({tokens.begin(), tokens.end()}, work);
  }
  std::string_view continuing_prefix() const override { return parts_.model->continuing_prefix(); }
  bool cleans_up_spaces() const override { return parts_.clean_up_spaces; }

 protected:
  Segment encode_text(std::string_view text, const EncodeOptions& options,
                      Work& work) const override;

 private:
  struct Spelling {
    std::string_view text;
    bool known = false;
  };
  Spelling spelling(TokenId id) const;
  std::string joined(std::vector<std::string> tokens, Work& work) const;
  void append_piece(const Pieces& pieces, const Piece& piece, const std::vector<ModelToken>& tokens,
                    Segment& out) const;

  PipelineParts parts_;
  bool trims_offsets_ = false;
  std::vector<TokenEdges> edges_;  // by id, where the post-processor trims offsets
};

TokenEdges edges_of(std::string_view token) {
  const auto is_edge = [](char32_t c) { return c == U'Ġ' || is_whitespace(c); };
  TokenEdges edges;
  bool leading = true;
  for (std::size_t at = 0; at < token.size();) {
    const CodePoint next = decode_utf8(token, at);
    at += next.bytes;
    const bool edge = is_edge(next.value);
    leading = leading && edge;
    edges.leading += leading ? 1 : 0;
    edges.trailing = edge ? edges.trailing + 1 : 0;
  }
  return edges;
}

Pipeline::Pipeline(PipelineParts parts) : parts_(std::move(parts)) {
  // A byte-level model takes bytes as they are: half the work of spelling them first.
  if (parts_.pre_tokenizer != nullptr && parts_.model->takes_raw_bytes()) {
    (void)parts_.pre_tokenizer->leave_raw_bytes();
  }
  const Vocabulary& vocabulary = parts_.model->vocabulary();
  post_processor_ = std::move(parts_.post_processor);
  languages_ = std::move(parts_.languages);
  special_ = parts_.special;
  chat_template_ = std::move(parts_.chat_template);
  max_length_ = parts_.max_length;
  has_token_types_ = parts_.has_token_types;
  pads_left_ = parts_.pads_left.value_or(false);
  truncates_left_ = parts_.truncates_left.value_or(false);
  trims_offsets_ = post_processor_ != nullptr && post_processor_->trims_offsets();
  if (trims_offsets_) {
    edges_.resize(static_cast<std::size_t>(vocabulary.size()));
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
      edges_[static_cast<std::size_t>(id)] = edges_of(vocabulary.token(id));
    }
  }
  description_ = parts_.source + " (" + std::string(parts_.model->name()) + ", " +
                 std::to_string(vocab_size()) + " tokens)";
}

Segment Pipeline::encode_text(std::string_view text, const EncodeOptions& /*options*/,
                              Work& work) const {
  Pieces pieces(text);
  parts_.added.extract(pieces, parts_.normalizer.get(), work);
  if (parts_.pre_tokenizer != nullptr) parts_.pre_tokenizer->apply(pieces, work);
  work.enter(description_);
  Segment out;
  const auto scratch = parts_.model->make_scratch();
  std::vector<ModelToken> tokens;
  std::int32_t word = 0;
  for (const Piece& piece : pieces.list) {
    work.look(piece.end - piece.begin);
    tokens.clear();
    if (piece.added != Piece::none) {
      tokens.push_back({piece.added, 0, piece.end - piece.begin});
    } else {
      parts_.model->encode(pieces.text(piece), piece.raw_bytes, scratch.get(), tokens, work);
    }
    append_piece(pieces, piece, tokens, out);
    out.encoding.words.resize(out.encoding.ids.size(), word++);
  }
  return out;
}

void Pipeline::append_piece(const Pieces& pieces, const Piece& piece,
                            const std::vector<ModelToken>& tokens, Segment& out) const {
  for (const ModelToken& token : tokens) {
    const Span span = pieces.original_span(piece, token.begin, token.end);
    out.encoding.ids.push_back(token.id);
    out.encoding.offsets.push_back({span.begin, span.end});
    if (!trims_offsets_) continue;
    out.edges.push_back(piece.added != Piece::none ? edges_of(pieces.text(piece))
                                                   : edges_[static_cast<std::size_t>(token.id)]);
  }
}

Pipeline::Spelling Pipeline::spelling(TokenId id) const {
  if (const AddedToken* added = parts_.added.find(id)) return {parts_.added.spelling(*added), true};
  const Vocabulary& vocabulary = parts_.model->vocabulary();
  return {vocabulary.token(id), vocabulary.contains(id)};
}

std::string Pipeline::decode(std::span<const TokenId> ids, const DecodeOptions& options) const {
  Work work(ids.size() * text_bytes_per_token, description_);
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) {
    const auto [spelled, known] = spelling(id);
    if (!known) continue;
    if (options.skip_special_tokens && parts_.added.is_special(spelled)) continue;
    work.make(spelled.size());
    tokens.emplace_back(spelled);
  }
  std::string text = joined(std::move(tokens), work);
  const bool clean_up = options.clean_up_spaces.value_or(parts_.clean_up_spaces);
  return clean_up ? clean_up_spaces(std::move(text), false) : text;
}

std::string Pipeline::joined(std::vector<std::string> tokens, Work& work) const {
  if (parts_.decoder != nullptr) parts_.decoder->apply(tokens, work);
  std::string text;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (parts_.decoder == nullptr && i > 0) text += ' ';
    text += tokens[i];
  }
  return text;
}

}  // namespace

std::optional<TokenId> PipelineParts::find(std::string_view token) const {
  if (const AddedToken* known = added.find(token)) return known->id;
  return model->vocabulary().find(token);
}

std::unique_ptr<Tokenizer> make_pipeline(PipelineParts parts) {
  parts.added.finish(parts.normalizer.get(), parts.source);
  return std::make_unique<Pipeline>(std::move(parts));
}

}  // namespace llm::detail
