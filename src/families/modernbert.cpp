// ModernBERT (arXiv:2412.13663): pre-norm encoder without biases, rotated queries and keys, gated
// feed-forward; most layers attend to near tokens alone, with a rotation of their own. Reference:
// transformers modeling_modernbert.py.
#include "families/heads.hpp"
#include "families/layer_patterns.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace modernbert {  // the names of all family files are alike

void read_windows_and_rotation(const ConfigReader& json, StackConfig& e) {
  const std::int64_t window = json.size("local_attention", 128) / 2 + 1;
  if (json.has("layer_types")) {
    e.attention_window = read_layer_windows(json, e, window, 0);
  } else {
    const std::int64_t every = json.size("global_attn_every_n_layers", 3);
    for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
      e.attention_window.push_back(i % every == 0 ? 0 : window);
    }
  }
  const ConfigReader older = json.object("rope_scaling");
  e.positions =
      read_layer_rotary(json, "full_attention", older, e.head_dim, e.max_position_embeddings,
                        {.theta = 160000.0, .theta_name = "global_rope_theta"});
  e.window_rotary =
      read_layer_rotary(json, "sliding_attention", older, e.head_dim, e.max_position_embeddings,
                        {.theta = 10000.0, .theta_name = "local_rope_theta"});
}

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = json.common({50281, 50282, 50283, {}});
  c.kind = ModelKind::encoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& e = c.encoder;
  e.num_hidden_layers = json.size("num_hidden_layers");
  e.hidden_size = json.size("hidden_size");
  e.intermediate_size = json.size("intermediate_size");
  json.read_heads("num_attention_heads", e);
  e.max_position_embeddings = json.size("max_position_embeddings", 8192);
  e.norm_eps = json.number("norm_eps", 1e-5);
  e.norm_bias = json.flag("norm_bias", false);
  e.embedding_norm = true;
  e.attention_bias = e.attention_out_bias = json.flag("attention_bias", false);
  e.mlp_bias = json.flag("mlp_bias", false);
  e.hidden_act = json.activation("hidden_activation", "gelu");
  e.gated = true;
  read_windows_and_rotation(json, e);
  c.head_activation = json.activation("classifier_activation", "gelu");
  c.head_bias = json.flag("classifier_bias", false);
  c.lm_head_bias = json.flag("decoder_bias", true);
  c.classifier_pooling = json.text("classifier_pooling", "cls");
  if (c.classifier_pooling != "cls" && c.classifier_pooling != "mean") {
    json.unsupported("classifier_pooling", "supported: cls, mean");
  }
  return c;
}

Bias if_any(bool has) { return has ? Bias::yes : Bias::no; }

NormSource bind_norm(const WeightBinder& w, std::string_view name, const StackConfig& e) {
  return w.norm(name, e.hidden_size, if_any(e.norm_bias));
}

// The first layer reads the normed embeddings as they are.
BlockSource bind_block(const WeightBinder& w, const StackConfig& e, bool first) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  const Bias attention = if_any(e.attention_bias), mlp = if_any(e.mlp_bias);
  BlockSource b;
  if (!first) b.attention_norm = bind_norm(w, "attn_norm", e);
  b.attention.in = w.linear("attn.Wqkv", 3 * hidden, hidden, attention);
  b.attention.out = w.linear("attn.Wo", hidden, hidden, attention);
  b.feed_forward_norm = bind_norm(w, "mlp_norm", e);
  b.feed_forward.gate = w.linear_rows("mlp.Wi", {0, inner}, 2 * inner, hidden, mlp);
  b.feed_forward.up = w.linear_rows("mlp.Wi", {inner, 2 * inner}, 2 * inner, hidden, mlp);
  b.feed_forward.down = w.linear("mlp.Wo", hidden, inner, mlp);
  return b;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  if (c.head == HeadKind::none) return {};
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  head.dense = root.linear("head.dense", hidden, hidden, if_any(c.head_bias));
  head.activation = c.head_activation;
  head.norm = bind_norm(root, "head.norm", c.encoder);
  if (c.head == HeadKind::masked_lm) {
    head.out = root.lm_head("decoder", tokens, c.tie_word_embeddings, if_any(c.lm_head_bias));
  } else if (c.head == HeadKind::question_answering) {
    head.out = root.linear("classifier", 2, hidden, Bias::yes);
  } else {
    head.out = bind_labels(root, "classifier", hidden, c);
  }
  if (c.head == HeadKind::sequence_classification) {
    head.rows = c.classifier_pooling == "mean" ? HeadRows::mean : HeadRows::first;
  }
  return head;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& e = c.encoder;
  const WeightBinder w = root.scope_with("final_norm.weight", {"model", ""});
  ModelSource m;
  m.encoder.tokens = bind_tokens(root, c, w.full_name("embeddings.tok_embeddings"), "decoder");
  m.encoder.embedding_norm = bind_norm(w, "embeddings.norm", e);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    m.encoder.blocks.push_back(bind_block(w.scope("layers", i), e, i == 0));
  }
  m.encoder.final_norm = bind_norm(w, "final_norm", e);
  m.head = bind_head(root, c, m.encoder.tokens);
  return m;
}

}  // namespace modernbert

ModelFamily modernbert_family() {
  using namespace modernbert;
  return {{"modernbert"},  read_config, bind_weights,
          encoder_heads(), {},          {{"model.embeddings.tok_embeddings"}, "decoder"}};
}

}  // namespace llm::detail
