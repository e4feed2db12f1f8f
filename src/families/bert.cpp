// BERT (arXiv:1810.04805): post-norm encoder, learned positions and segments, a norm after the
// embeddings. Reference: transformers modeling_bert.py.
#include <cmath>

#include "families/bert_layers.hpp"

namespace llm::detail {
namespace {

BlockSource bind_block(const WeightBinder& w, const StackConfig& e) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  const WeightBinder self = w.scope("attention.self");
  BlockSource b;
  for (const char* name : {"query", "key", "value"}) {
    b.attention.in.append(self.linear(name, hidden, hidden, Bias::yes));
  }
  b.attention.out = w.linear("attention.output.dense", hidden, hidden, Bias::yes);
  b.attention_norm = w.norm("attention.output.LayerNorm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("intermediate.dense", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("output.dense", hidden, inner, Bias::yes);
  b.feed_forward_norm = w.norm("output.LayerNorm", hidden, Bias::yes);
  return b;
}

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json);
  c.encoder.positions = LearnedPositions{};
  return c;
}

HeadSource bind_head(const WeightBinder& root, const WeightBinder& w, const TransformerConfig& c,
                     const FileTensor* tokens) {
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  switch (c.head) {
    case HeadKind::masked_lm: {
      const WeightBinder cls = root.scope("cls.predictions");
      head.dense = cls.linear("transform.dense", hidden, hidden, Bias::yes);
      head.activation = c.encoder.hidden_act;
      head.norm = cls.norm("transform.LayerNorm", hidden, Bias::yes);
      head.out = cls.lm_head("decoder", tokens, c.tie_word_embeddings, Bias::no);
      head.out.parts.front().bias = cls.vector("bias", c.vocab_size);
      break;
    }
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
      w.embedding("embeddings.word_embeddings", root, "cls.predictions.decoder", c.vocab_size,
                  c.encoder.hidden_size);
  m.encoder = bind_bert_encoder(w, c, tokens, c.encoder.max_position_embeddings);
  m.head = bind_head(root, w, c, m.encoder.tokens);
  if (w.has("pooler.dense.weight")) m.pooler = bind_bert_pooler(w, c.encoder.hidden_size);
  return m;
}

}  // namespace

TransformerConfig read_bert_config(const ConfigReader& json) {
  TransformerConfig c = json.common();
  c.kind = ModelKind::encoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  c.type_vocab_size = json.count("type_vocab_size", 2);
  if (json.flag("is_decoder", false)) {
    json.unsupported("is_decoder", "used as a decoder this model is not supported");
  }
  if (json.text("position_embedding_type", "absolute") != "absolute") {
    json.unsupported("position_embedding_type", "supported: absolute");
  }
  StackConfig& e = c.encoder;
  e.num_hidden_layers = json.size("num_hidden_layers");
  e.hidden_size = json.size("hidden_size");
  e.intermediate_size = json.size("intermediate_size");
  json.read_heads("num_attention_heads", e);
  e.max_position_embeddings = json.size("max_position_embeddings", 512);
  e.norm_eps = json.number("layer_norm_eps", 1e-12);
  e.norm_placement = NormPlacement::post;
  e.embedding_norm = true;
  e.final_norm = false;
  e.attention_scale = 1.0 / std::sqrt(static_cast<double>(e.head_dim));
  e.hidden_act = json.activation("hidden_act", "gelu");
  return c;
}

StackSource bind_bert_encoder(const WeightBinder& w, const TransformerConfig& c,
                              const FileTensor* tokens, std::int64_t position_rows) {
  const StackConfig& e = c.encoder;
  const WeightBinder embeddings = w.scope("embeddings");
  StackSource s;
  s.tokens = tokens;
  s.positions = embeddings.matrix("position_embeddings.weight", position_rows, e.hidden_size);
  if (c.type_vocab_size > 0) {
    s.types = embeddings.matrix("token_type_embeddings.weight", c.type_vocab_size, e.hidden_size);
  }
  s.embedding_norm = embeddings.norm("LayerNorm", e.hidden_size, Bias::yes);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    s.blocks.push_back(bind_block(w.scope("encoder.layer", i), e));
  }
  return s;
}

HeadSource bind_bert_pooler(const WeightBinder& w, std::int64_t hidden) {
  HeadSource pooler;
  pooler.dense = w.linear("pooler.dense", hidden, hidden, Bias::yes);
  pooler.rows = HeadRows::first;
  return pooler;
}

namespace {

// Converters write DistilBERT and RoBERTa under this name too: the former without segments, the
// latter with a table of positions that starts at the first text token's.
GgufLayout gguf() {
  return {{"bert"},
          "bert",
          {{"num_hidden_layers", "{}.block_count"},
           {"hidden_size", "{}.embedding_length"},
           {"intermediate_size", "{}.feed_forward_length"},
           {"num_attention_heads", "{}.attention.head_count"},
           {"max_position_embeddings", "{}.context_length"},
           {"layer_norm_eps", "{}.attention.layer_norm_epsilon"},
           {"type_vocab_size", "tokenizer.ggml.token_type_count"}},
          {{"embeddings.word_embeddings", "token_embd"},
           {"embeddings.position_embeddings", "position_embd"},
           {"embeddings.token_type_embeddings", "token_types"},
           {"embeddings.LayerNorm", "token_embd_norm"},
           {"encoder.layer.{}.attention.self.query", "blk.{}.attn_q"},
           {"encoder.layer.{}.attention.self.key", "blk.{}.attn_k"},
           {"encoder.layer.{}.attention.self.value", "blk.{}.attn_v"},
           {"encoder.layer.{}.attention.output.dense", "blk.{}.attn_output"},
           {"encoder.layer.{}.attention.output.LayerNorm", "blk.{}.attn_output_norm"},
           {"encoder.layer.{}.intermediate.dense", "blk.{}.ffn_up"},
           {"encoder.layer.{}.output.dense", "blk.{}.ffn_down"},
           {"encoder.layer.{}.output.LayerNorm", "blk.{}.layer_output_norm"}},
          [](const WeightStore& store, Json& config) {
            if (!store.find("token_types.weight")) config["type_vocab_size"] = 0;
          }};
}

}  // namespace

ModelFamily bert_family() { return {{"bert"}, read_config, bind_weights, encoder_heads(), gguf()}; }

}  // namespace llm::detail
