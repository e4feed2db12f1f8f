// BERT (arXiv:1810.04805): post-norm encoder, learned positions, token types, a norm after the
// embeddings; Megatron-BERT (arXiv:1909.08053): the same with norms before each sublayer.
// Reference: transformers modeling_{bert,megatron_bert}.py.
#include "families/bert_layers.hpp"

namespace llm::detail {
namespace bert {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {{}, {}, 0, {}});
  c.encoder.positions = LearnedPositions{};
  if (json.is_any({"megatron-bert"})) {
    set_norm_placement(NormPlacement::pre, c.encoder);
    c.encoder.embedding_norm = false;
  }
  return c;
}

HeadSource bind_head(const WeightBinder& root, const WeightBinder& w, const TransformerConfig& c,
                     const FileTensor* tokens) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  switch (c.head) {
    case HeadKind::masked_lm:
      return bind_transformed_lm_head(
          root.scope("cls.predictions"), c, tokens,
          {"transform.dense", "transform.LayerNorm", "decoder", c.encoder.hidden_act});
    case HeadKind::sequence_classification:
      head = bind_bert_pooler(w, hidden);
      head.out = bind_labels(root, "classifier", hidden, c);
      break;
    default:
      head = bind_token_head(root, c);
  }
  return head;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w = root.scope_with("embeddings.position_embeddings.weight", {"bert", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "cls.predictions.decoder");
  const bool megatron = c.encoder.norm_placement == NormPlacement::pre;
  m.encoder = bind_bert_encoder(w, c, tokens, c.encoder.max_position_embeddings,
                                megatron ? BertNames{.attention_norm = "attention.ln",
                                                     .feed_forward_norm = "ln",
                                                     .final_norm = "encoder.ln"}
                                         : BertNames());
  m.head = bind_head(root, w, c, m.encoder.tokens);
  if (w.has("pooler.dense.weight")) m.pooler = bind_bert_pooler(w, c.encoder.hidden_size);
  return m;
}

// Converters write DistilBERT and RoBERTa under this name too: DistilBERT without token types,
// RoBERTa with a table of positions that begins at the first text token's.
GgufLayout gguf() {
  GgufLayout layout{{"bert"}, "bert", {{"type_vocab_size", "tokenizer.ggml.token_type_count"}}, {}};
  layout.fields(
      {"num_hidden_layers=block_count", "hidden_size=embedding_length",
       "intermediate_size=feed_forward_length", "num_attention_heads=attention.head_count",
       "max_position_embeddings=context_length", "layer_norm_eps=attention.layer_norm_epsilon"});
  layout.names("embeddings.", "",
               {"word_embeddings=token_embd", "position_embeddings=position_embd",
                "token_type_embeddings=token_types", "LayerNorm=token_embd_norm"});
  layout.names(
      "encoder.layer.{}.", "blk.{}.",
      {"attention.self.query=attn_q", "attention.self.key=attn_k", "attention.self.value=attn_v",
       "attention.output.dense=attn_output", "attention.output.LayerNorm=attn_output_norm",
       "intermediate.dense=ffn_up", "output.dense=ffn_down", "output.LayerNorm=layer_output_norm"});
  layout.complete = [](const WeightStore& store, Json& config) {
    if (!store.find("token_types.weight")) config["type_vocab_size"] = 0;
  };
  return layout;
}

}  // namespace bert

ModelFamily bert_family() {
  using namespace bert;
  return {{"bert", "megatron-bert"},
          read_config,
          bind_weights,
          encoder_heads(),
          gguf(),
          {{"bert.embeddings.word_embeddings"}, "cls.predictions.decoder", "cls.predictions.bias"}};
}

}  // namespace llm::detail
