// ELECTRA (arXiv:2003.10555): BERT with embeddings of a width of their own. A discriminator tells
// for each token whether it was replaced. Reference: transformers modeling_electra.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace electra {  // the names of all family files are alike

bool is_discriminator(const TransformerConfig& c) {
  return !c.architectures.empty() && c.architectures.front() == "ElectraForPreTraining";
}

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {{}, {}, 0, {}});
  c.encoder.positions = LearnedPositions{};
  c.encoder.embedding_size = json.size("embedding_size", 128);
  if (is_discriminator(c) && c.head == HeadKind::masked_lm) {
    c.head = HeadKind::token_classification;  // of one label: replaced
    c.num_labels = 1;
    c.id2label = {{0, "replaced"}};
  }
  return c;
}

HeadSource bind_discriminator(const WeightBinder& w, const StackConfig& e) {
  HeadSource head;
  head.dense = w.linear("dense", e.hidden_size, e.hidden_size, Bias::yes);
  head.activation = e.hidden_act;
  head.out = w.linear("dense_prediction", 1, e.hidden_size, Bias::yes);
  return head;
}

HeadSource bind_generator(const WeightBinder& root, const TransformerConfig& c,
                          const FileTensor* tokens) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope("generator_predictions");
  HeadSource head;
  head.dense = w.linear("dense", e.embedding_width(), e.hidden_size, Bias::yes);
  head.activation = Activation::gelu;
  head.norm = w.norm("LayerNorm", e.embedding_width(), Bias::yes);
  head.out = root.lm_head("generator_lm_head", tokens, c.tie_word_embeddings, Bias::yes);
  return head;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  switch (c.head) {
    case HeadKind::masked_lm:
      return bind_generator(root, c, tokens);
    case HeadKind::sequence_classification:
      return bind_first_token_head(root, c, Activation::gelu);
    case HeadKind::token_classification:
      if (is_discriminator(c)) {
        return bind_discriminator(root.scope("discriminator_predictions"), c.encoder);
      }
      [[fallthrough]];
    default:
      return bind_token_head(root, c);
  }
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope_with("embeddings.position_embeddings.weight", {"electra", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "generator_lm_head");
  m.encoder = bind_bert_encoder(w, c, tokens, e.max_position_embeddings);
  if (e.embedding_size != e.hidden_size) {
    m.encoder.embedding_projection =
        w.linear("embeddings_project", e.hidden_size, e.embedding_size, Bias::yes);
  }
  m.head = bind_head(root, c, tokens);
  return m;
}

}  // namespace electra

ModelFamily electra_family() {
  using namespace electra;
  return {{"electra"},  read_config,
          bind_weights, encoder_heads(),
          {},           {{"electra.embeddings.word_embeddings"}, "generator_lm_head"}};
}

}  // namespace llm::detail
