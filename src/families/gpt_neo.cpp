// GPT-Neo (Black et al. 2021): pre-norm decoder, learned positions, no scale on the scores, layers
// that alternate between all keys and a window. Reference: transformers modeling_gpt_neo.py.
#include "families/heads.hpp"

namespace llm::detail {
namespace gpt_neo {  // the names of all family files are alike

// How far each layer looks back: `attention_layers`, or `attention_types`, a shorter form of it.
std::vector<std::string> read_layer_types(const ConfigReader& json, std::int64_t layers) {
  std::vector<std::string> types = json.texts("attention_layers");
  if (types.empty() || json.has("attention_types")) {
    auto repeated = json.repeated_texts("attention_types", layers);
    if (!types.empty() && types != repeated) {
      json.contradicts("attention_types", "attention_layers", json.shown("attention_layers"));
    }
    return repeated;
  }
  if (static_cast<std::int64_t>(types.size()) != layers) {
    json.reject("attention_layers", "expected one name for each layer");
  }
  return types;
}

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases(
      {{"num_attention_heads", "num_heads"}, {"num_hidden_layers", "num_layers"}});
  TransformerConfig c = json.common({50256, 50256, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("num_layers", 24);
  d.hidden_size = json.size("hidden_size", 2048);
  d.intermediate_size = json.size("intermediate_size", 4 * d.hidden_size);
  json.read_heads("num_heads", d);
  d.max_position_embeddings = json.size("max_position_embeddings", 2048);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.positions = LearnedPositions{};
  d.attention_scale = 1.0;
  d.causal = true;
  d.hidden_act = json.activation("activation_function", "gelu_new");
  const std::int64_t window = json.size("window_size", 256);
  for (const std::string& type : read_layer_types(json, d.num_hidden_layers)) {
    if (type != "global" && type != "local") {
      json.unsupported(json.has("attention_types") ? "attention_types" : "attention_layers",
                       "supported: global, local");
    }
    d.attention_window.push_back(type == "local" ? window : 0);
  }
  return c;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  const WeightBinder attention = w.scope("attn.attention");
  BlockSource b;
  b.attention_norm = w.norm("ln_1", hidden, Bias::yes);
  for (const char* name : {"q_proj", "k_proj", "v_proj"}) {
    b.attention.in.append(attention.linear(name, hidden, hidden));
  }
  b.attention.out = attention.linear("out_proj", hidden, hidden, Bias::yes);
  b.feed_forward_norm = w.norm("ln_2", hidden, Bias::yes);
  b.feed_forward.up = w.linear("mlp.c_fc", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("mlp.c_proj", hidden, inner, Bias::yes);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("wpe.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("wte"), "lm_head");
  m.decoder.positions = w.matrix("wpe.weight", d.max_position_embeddings, d.hidden_size);
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("h", i), d));
  }
  m.decoder.final_norm = w.norm("ln_f", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m);
  return m;
}

}  // namespace gpt_neo

ModelFamily gpt_neo_family() {
  using namespace gpt_neo;
  return {{"gpt_neo"}, read_config, bind_weights, decoder_heads(), {}, {{"transformer.wte"}}};
}

}  // namespace llm::detail
