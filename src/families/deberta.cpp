// DeBERTa (arXiv:2006.03654) and DeBERTa-v2 and -v3 (arXiv:2111.09543): BERT's blocks with scores
// between contents and relative positions, v2 with distances in logarithmic buckets and perhaps a
// convolution beside the first layer. Reference: transformers modeling_{deberta,deberta_v2}.py.
#include <cmath>
#include <string>

#include "families/bert_layers.hpp"
#include "families/fused_layouts.hpp"

namespace llm::detail {
namespace deberta {  // the names of all family files are alike

// A list, or one text with a bar between the names.
std::vector<std::string> read_kinds(const ConfigReader& json) {
  if (!json.has("pos_att_type")) return {};
  if (!json.json().at("pos_att_type").is_string()) return json.texts("pos_att_type");
  std::vector<std::string> kinds(1);
  for (const char c : json.text("pos_att_type", "")) {
    if (c == '|') {
      kinds.emplace_back();
    } else if (c != ' ') {
      kinds.back() += c;
    }
  }
  return kinds;
}

DisentangledAttention read_disentangled(const ConfigReader& json, std::int64_t max_positions) {
  DisentangledAttention d;
  for (const std::string& kind : read_kinds(json)) {
    bool& has = kind == "p2c" ? d.position_to_content : d.content_to_position;
    if ((kind != "p2c" && kind != "c2p") || has) {
      json.unsupported("pos_att_type", "supported: c2p, p2c, each at most once");
    }
    has = true;
  }
  const auto sized = [&](const char* name, std::int64_t otherwise) {
    return json.has(name) && json.number(name) >= 1 ? json.size(name) : otherwise;
  };
  d.max_relative_positions = sized("max_relative_positions", max_positions);
  if (!json.is_any({"deberta-v2"})) return d;
  d.position_buckets = sized("position_buckets", 0);
  d.share_att_key = json.flag("share_att_key", false);
  const std::string norms = json.text("norm_rel_ebd", "none");
  if (norms != "none" && norms != "layer_norm") {
    json.unsupported("norm_rel_ebd", "supported: none, layer_norm");
  }
  d.norm_rel_embeddings = norms == "layer_norm";
  if (d.position_buckets > 0 &&
      (d.position_buckets < 2 || d.position_buckets / 2 > d.max_relative_positions - 2)) {
    json.reject("position_buckets", "expected at least 2 and less than 2 * max_relative_positions");
  }
  return d;
}

void read_convolution(const ConfigReader& json, StackConfig& e) {
  e.conv_kernel_size = json.count("conv_kernel_size", 0);
  if (e.conv_kernel_size == 0) return;
  if (e.conv_kernel_size % 2 == 0) json.reject("conv_kernel_size", "expected an odd number");
  json.require("conv_groups", 1, "convolutions in groups are not supported");
  e.conv_act = json.activation("conv_act", "tanh");
}

TransformerConfig read_config(const ConfigReader& json) {
  TransformerConfig c = read_bert_config(json, {{}, {}, 0, {}});
  StackConfig& e = c.encoder;
  const bool second = json.is_any({"deberta-v2"});
  c.type_vocab_size = json.count("type_vocab_size", 0);
  e.norm_eps = json.number("layer_norm_eps", 1e-7);
  c.head_activation = json.activation("pooler_hidden_act", "gelu");
  const Json hidden = e.hidden_size;
  json.require("embedding_size", hidden, "supported: hidden_size");
  json.require("pooler_hidden_size", hidden, "supported: hidden_size");
  json.require("attention_head_size", e.head_dim, "supported: hidden_size / num_attention_heads");
  json.require("talking_head", false, "scores are not mixed between heads");
  const DisentangledAttention d = read_disentangled(json, e.max_position_embeddings);
  const int kinds = 1 + (d.content_to_position ? 1 : 0) + (d.position_to_content ? 1 : 0);
  e.attention_scale = 1.0 / std::sqrt(static_cast<double>(kinds * e.head_dim));
  if (json.flag("relative_attention", false) && kinds > 1) e.disentangled = d;
  if (json.flag("position_biased_input", true)) {
    e.positions = LearnedPositions{};
  } else {
    e.max_position_embeddings = 0;  // distances have no end
  }
  if (second) read_convolution(json, e);
  return c;
}

// One matrix with the rows of a head's query, key and value together, and biases without the keys'.
LinearSource bind_fused(const WeightBinder& w, const StackConfig& e) {
  const std::int64_t hidden = e.hidden_size;
  const LinearSource all = unfused_heads(w.linear("in_proj", 3 * hidden, hidden), e);
  LinearSource in;
  for (const char* bias : {"q_bias", "", "v_bias"}) {
    LinearSource third = all;
    LinearSource::Part& part = third.parts.front();
    const auto first = part.row_order.begin() + std::ssize(in.parts) * hidden;
    part.row_order = {first, first + hidden};
    part.outputs = hidden;
    part.bias_in_order = true;
    if (*bias) part.bias = w.vector(bias, hidden);
    in.append(std::move(third));
  }
  return in;
}

AttentionSource bind_attention(const WeightBinder& w, const StackConfig& e, bool second) {
  const std::int64_t hidden = e.hidden_size;
  AttentionSource a;
  if (second) {
    for (const char* name : {"query_proj", "key_proj", "value_proj"}) {
      a.in.append(w.linear(name, hidden, hidden, Bias::yes));
    }
  } else {
    a.in = bind_fused(w, e);
  }
  if (!e.disentangled || e.disentangled->share_att_key) return a;
  if (e.disentangled->content_to_position) {
    a.position_key = w.linear(second ? "pos_key_proj" : "pos_proj", hidden, hidden,
                              second ? Bias::yes : Bias::no);
  }
  if (e.disentangled->position_to_content) {
    a.position_query =
        w.linear(second ? "pos_query_proj" : "pos_q_proj", hidden, hidden, Bias::yes);
  }
  return a;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& e, bool second) {
  const std::int64_t hidden = e.hidden_size, inner = e.intermediate_size;
  BlockSource b;
  b.attention = bind_attention(w.scope("attention.self"), e, second);
  b.attention.out = w.linear("attention.output.dense", hidden, hidden, Bias::yes);
  b.attention_norm = w.norm("attention.output.LayerNorm", hidden, Bias::yes);
  b.feed_forward.up = w.linear("intermediate.dense", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("output.dense", hidden, inner, Bias::yes);
  b.feed_forward_norm = w.norm("output.LayerNorm", hidden, Bias::yes);
  return b;
}

StackSource bind_encoder(const WeightBinder& w, const TransformerConfig& c,
                         const FileTensor* tokens) {
  const StackConfig& e = c.encoder;
  const WeightBinder encoder = w.scope("encoder");
  StackSource s = bind_bert_embeddings(w, c, tokens, e.max_position_embeddings);
  for (std::int64_t i = 0; i < e.num_hidden_layers; ++i) {
    s.blocks.push_back(bind_block(encoder.scope("layer", i), e, c.model_type == "deberta-v2"));
  }
  if (e.disentangled) {
    s.relative_positions =
        encoder.matrix("rel_embeddings.weight", 2 * e.disentangled->span(), e.hidden_size);
    if (e.disentangled->norm_rel_embeddings) {
      s.relative_norm = encoder.norm("LayerNorm", e.hidden_size, Bias::yes);
    }
  }
  if (e.conv_kernel_size > 0) {
    s.convolution =
        encoder.convolution("conv.conv", e.hidden_size, e.hidden_size, e.conv_kernel_size);
    s.convolution_norm = encoder.norm("conv.LayerNorm", e.hidden_size, Bias::yes);
  }
  return s;
}

// Two masked-LM heads: that of the reference's first days, and the one that is in the published
// files (`legacy` false), whose table is always the token embedding.
HeadSource bind_masked_lm(const WeightBinder& root, const TransformerConfig& c,
                          const FileTensor* tokens) {
  const WeightBinder published = root.scope("lm_predictions.lm_head");
  if (!published.has("dense.weight")) {
    return bind_transformed_lm_head(
        root.scope("cls.predictions"), c, tokens,
        {"transform.dense", "transform.LayerNorm", "decoder", c.encoder.hidden_act});
  }
  const std::int64_t hidden = c.encoder.hidden_size;
  HeadSource head;
  head.dense = published.linear("dense", hidden, hidden, Bias::yes);
  head.activation = c.encoder.hidden_act;
  head.norm = published.norm("LayerNorm", hidden, Bias::yes);
  LinearSource::Part table;
  table.weight = tokens;
  table.bias = published.vector("bias", c.vocab_size);
  table.outputs = c.vocab_size;
  head.out.parts.push_back(std::move(table));
  return head;
}

HeadSource bind_head(const WeightBinder& root, const TransformerConfig& c,
                     const FileTensor* tokens) {
  if (c.head == HeadKind::masked_lm) return bind_masked_lm(root, c, tokens);
  if (c.head != HeadKind::sequence_classification) return bind_token_head(root, c);
  HeadSource head = bind_bert_pooler(root, c.encoder.hidden_size);
  head.activation = c.head_activation;
  head.out = bind_labels(root, "classifier", c.encoder.hidden_size, c);
  return head;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w = root.scope_with("embeddings.LayerNorm.weight", {"deberta", ""});
  ModelSource m;
  const FileTensor* tokens =
      bind_tokens(root, c, w.full_name("embeddings.word_embeddings"), "cls.predictions.decoder");
  m.encoder = bind_encoder(w, c, tokens);
  m.head = bind_head(root, c, tokens);
  return m;
}

}  // namespace deberta

ModelFamily deberta_family() {
  using namespace deberta;
  return {
      {"deberta", "deberta-v2"},
      read_config,
      bind_weights,
      encoder_heads(),
      {},
      {{"deberta.embeddings.word_embeddings"}, "cls.predictions.decoder", "cls.predictions.bias"}};
}

}  // namespace llm::detail
