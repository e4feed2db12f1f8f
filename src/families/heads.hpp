// Heads that families share, with the names that most of them use.
#pragma once

#include "model/model_family.hpp"

namespace llm::detail {

// The heads that most encoders, decoders and encoder-decoders may have.
std::vector<HeadKind> encoder_heads();
std::vector<HeadKind> decoder_heads();
std::vector<HeadKind> seq2seq_heads();
// Those of decoders without question answering.
std::vector<HeadKind> classifying_heads();

// The token embedding; where the file lacks it and the configuration ties it to the LM head, the LM
// head's weight. The names are full names.
const FileTensor* bind_tokens(const WeightBinder& root, const TransformerConfig& c,
                              const std::string& embedding, const std::string& head);

// A classifier's last matrix, with its bias: as many labels as the configuration names, or as the
// file has where it names none.
LinearSource bind_labels(const WeightBinder& w, std::string_view name, std::int64_t hidden,
                         const TransformerConfig& c, Bias bias = Bias::yes);

// Heads that read every token: `name` gives labels, `qa_outputs` the start and end of an answer.
// Empty for other heads.
HeadSource bind_token_head(const WeightBinder& root, const TransformerConfig& c,
                           std::string_view name = "classifier");

// How a decoder's heads are named.
struct DecoderEnd {
  std::string_view token_head = "classifier";
  std::string_view lm_head = "lm_head";
  Bias lm_head_bias = Bias::no;
};

// A decoder's head: the LM head, bind_token_head(), or `score`, which reads the last token that is
// not padding.
void bind_decoder_end(const WeightBinder& root, const TransformerConfig& c, ModelSource& m,
                      const DecoderEnd& end = {});

// The heads of encoder-decoders: bind_token_head() and `classification_head`, which reads the last
// end-of-sequence token.
HeadSource bind_seq2seq_head(const WeightBinder& root, const TransformerConfig& c);

}  // namespace llm::detail
