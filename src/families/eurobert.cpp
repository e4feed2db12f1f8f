// EuroBERT (arXiv:2503.05500): LLaMA's layers as an encoder. Reference: transformers
// modeling_eurobert.py.
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace eurobert {  // the names of all family files are alike

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({128000, 128001, 128001, {}});
  c.kind = ModelKind::encoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& e = c.encoder;
  e = read_llama_stack(json, {.max_position_embeddings = 8192, .rms_norm_eps = 1e-5});
  e.causal = false;
  e.attention_bias = e.attention_out_bias = json.flag("attention_bias", false);
  e.mlp_bias = json.flag("mlp_bias", false);
  e.positions = read_rotary(json, e.head_dim, e.max_position_embeddings, {});
  c.classifier_pooling = json.text("classifier_pooling", "late");
  if (c.classifier_pooling != "late" && c.classifier_pooling != "bos" &&
      c.classifier_pooling != "mean") {
    json.unsupported("classifier_pooling", "supported: late, bos, mean");
  }
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& e) {
  BlockSource b;
  b.attention_norm = w.norm("input_layernorm", e.hidden_size, Bias::no);
  b.attention = bind_llama_attention(w.scope("self_attn"), e, false);
  b.feed_forward_norm = w.norm("post_attention_layernorm", e.hidden_size, Bias::no);
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), e);
  return b;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  switch (c.head) {
    case HeadKind::masked_lm:
      head.out = root.lm_head("lm_head", tokens, c.tie_word_embeddings,
                              c.encoder.mlp_bias ? Bias::yes : Bias::no);
      return head;
    case HeadKind::sequence_classification:
      head.dense = root.linear("dense", hidden, hidden, Bias::yes);
      head.activation = Activation::gelu;
      head.out = bind_labels(root, "classifier", hidden, c);
      head.rows = c.classifier_pooling == "late"   ? HeadRows::mean_logits
                  : c.classifier_pooling == "mean" ? HeadRows::mean
                                                   : HeadRows::first;
      return head;
    default:
      return bind_token_head(root, c);
  }
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope_with("norm.weight", {"model", ""});
  ModelSource m;
  m.encoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "lm_head");
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    m.encoder.blocks.push_back(bind_block(w.scope("layers", i), e));
  }
  m.encoder.final_norm = w.norm("norm", e.hidden_size, Bias::no);
  m.head = bind_head(root, c, m.encoder.tokens);
  return m;
}

}  // namespace eurobert

ModelFamily eurobert_family() {
  using namespace eurobert;
  return {{"eurobert"},
          read_config,
          bind_weights,
          {HeadKind::masked_lm, HeadKind::sequence_classification, HeadKind::token_classification},
          {},
          {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
