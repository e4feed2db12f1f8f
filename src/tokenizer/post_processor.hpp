// Post-processors: the last step of encoding, which adds special tokens, joins a pair of texts and
// trims offsets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "llm/tokenizer/tokenizer.hpp"
#include "tokenizer/work.hpp"

namespace llm::detail {

// White space (and the space of the byte-level alphabet) at both ends of a token, in code points.
struct TokenEdges {
  std::uint32_t leading = 0;
  std::uint32_t trailing = 0;
};

// One text, encoded, or the special tokens between two texts.
struct Segment {
  Encoding encoding;
  std::vector<TokenEdges> edges;  // one a token where the processor trims_offsets(), else empty
  std::string_view text;          // the original
};

// All segments in order as one encoding.
Encoding join_segments(std::vector<Segment> segments);

class PostProcessor {
 public:
  virtual ~PostProcessor() = default;
  // `segments` holds one text or a pair; they are joined in order afterwards.
  void apply(std::vector<Segment>& segments, bool add_special_tokens, Work& work) const;
  virtual bool trims_offsets() const { return false; }
  // What errors call the step.
  void set_where(std::string where) { where_ = std::move(where); }

 protected:
  // A step that makes more than two segments of one tells `work` before it does.
  virtual void run(std::vector<Segment>& segments, bool add_special_tokens, Work& work) const = 0;

 private:
  std::string where_;
};

// A place in a template: one of the two texts, or a special token.
struct TemplatePiece {
  int sequence = -1;         // 0 or 1, or -1
  std::vector<TokenId> ids;  // when sequence is -1
  std::int32_t type_id = 0;
};

// Reads the "post_processor" of a tokenizer.json. Throws Error (unsupported, bad_format).
std::unique_ptr<PostProcessor> read_post_processor(const Json& json, const std::string& where);

// Steps made without JSON.
std::unique_ptr<PostProcessor> make_template(std::vector<TemplatePiece> single,
                                             std::vector<TemplatePiece> pair);
// bos and eos (-1: none) around each text, as the reference does for add_bos_token, add_eos_token.
std::unique_ptr<PostProcessor> make_bos_eos(TokenId bos, TokenId eos);
// A eos and, for a pair, A eos B eos; all of type 0.
std::unique_ptr<PostProcessor> make_eos(TokenId eos);
std::unique_ptr<PostProcessor> make_bert(TokenId cls, TokenId sep);
std::unique_ptr<PostProcessor> make_roberta(TokenId cls, TokenId sep, bool trim_offsets,
                                            bool add_prefix_space);
std::unique_ptr<PostProcessor> make_byte_level_post(bool trim_offsets, bool add_prefix_space);

}  // namespace llm::detail
