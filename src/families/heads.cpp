#include "families/heads.hpp"

namespace llm::detail {

std::vector<HeadKind> encoder_heads() {
  return {HeadKind::masked_lm, HeadKind::sequence_classification, HeadKind::token_classification,
          HeadKind::question_answering};
}

std::vector<HeadKind> decoder_heads() {
  return {HeadKind::language_model, HeadKind::sequence_classification,
          HeadKind::token_classification, HeadKind::question_answering};
}

std::vector<HeadKind> classifying_heads() {
  return {HeadKind::language_model, HeadKind::sequence_classification,
          HeadKind::token_classification};
}

std::vector<HeadKind> seq2seq_heads() {
  return {HeadKind::language_model, HeadKind::masked_lm, HeadKind::sequence_classification,
          HeadKind::question_answering};
}

const FileTensor* bind_tokens(const WeightBinder& root, const TransformerConfig& c,
                              const std::string& embedding, const std::string& head) {
  std::vector<std::string> names{embedding};
  if (c.tie_word_embeddings) names.push_back(head);
  const StackConfig& stack = c.kind == ModelKind::encoder ? c.encoder : c.decoder;
  return root.tied_matrix(names, c.vocab_size, stack.embedding_width());
}

LinearSource bind_labels(const WeightBinder& w, std::string_view name, std::int64_t hidden,
                         const TransformerConfig& c, Bias bias) {
  return c.num_labels > 0 ? w.linear(name, c.num_labels, hidden, bias)
                          : w.linear_any(name, hidden, bias);
}

HeadSource bind_token_head(const WeightBinder& root, const TransformerConfig& c,
                           std::string_view name) {
  const std::int64_t hidden = (c.kind == ModelKind::encoder ? c.encoder : c.decoder).hidden_size;
  HeadSource head;
  if (c.head == HeadKind::token_classification) {
    head.out = bind_labels(root, name, hidden, c);
  } else if (c.head == HeadKind::question_answering) {
    head.out = root.linear("qa_outputs", 2, hidden, Bias::yes);
  }
  return head;
}

void bind_decoder_end(const WeightBinder& root, const TransformerConfig& c, ModelSource& m,
                      const DecoderEnd& end) {
  if (c.head == HeadKind::language_model) {
    m.lm_head =
        root.lm_head(end.lm_head, m.decoder.tokens, c.tie_word_embeddings, end.lm_head_bias);
  } else if (c.head == HeadKind::sequence_classification) {
    m.head.out = bind_labels(root, "score", c.decoder.hidden_size, c, Bias::no);
    m.head.rows = HeadRows::last_unpadded;
  } else {
    m.head = bind_token_head(root, c, end.token_head);
  }
}

HeadSource bind_seq2seq_head(const WeightBinder& root, const TransformerConfig& c) {
  if (c.head != HeadKind::sequence_classification) return bind_token_head(root, c);
  const std::int64_t hidden = c.decoder.hidden_size;
  HeadSource head;
  head.dense = root.linear("classification_head.dense", hidden, hidden, Bias::yes);
  head.out = bind_labels(root, "classification_head.out_proj", hidden, c);
  head.rows = HeadRows::last_eos;
  return head;
}

}  // namespace llm::detail
