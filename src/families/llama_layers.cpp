#include "families/llama_layers.hpp"

#include <cmath>

namespace llm::detail {

StackConfig read_llama_stack(const ConfigReader& json, const DecoderDefaults& defaults) {
  StackConfig d;
  d.num_hidden_layers = json.size("num_hidden_layers");
  d.hidden_size = json.size("hidden_size");
  d.intermediate_size = json.size("intermediate_size");
  d.num_attention_heads = json.size("num_attention_heads");
  const std::int64_t groups = defaults.num_key_value_heads;
  d.num_key_value_heads = json.size(
      "num_key_value_heads", groups > 0 ? groups : d.num_attention_heads, d.num_attention_heads);
  if (!json.has("head_dim") && defaults.head_dim == 0 &&
      d.hidden_size % d.num_attention_heads != 0) {
    json.reject("num_attention_heads", "expected a divisor of hidden_size when head_dim is absent");
  }
  d.head_dim = json.size("head_dim", defaults.head_dim > 0 ? defaults.head_dim
                                                           : d.hidden_size / d.num_attention_heads);
  d.max_position_embeddings =
      json.size("max_position_embeddings", defaults.max_position_embeddings);
  d.norm = NormKind::rms_norm;
  d.norm_eps = json.number("rms_norm_eps", defaults.rms_norm_eps);
  d.attention_scale = 1.0 / std::sqrt(static_cast<double>(d.head_dim));
  d.causal = true;
  d.hidden_act = json.activation("hidden_act", defaults.hidden_act);
  d.gated = true;
  return d;
}

std::vector<std::int64_t> uninterleaved_order(std::int64_t heads, std::int64_t head_dim,
                                              std::int64_t rotary_dim) {
  std::vector<std::int64_t> order;
  const std::int64_t half = rotary_dim / 2;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < head_dim; ++i) {
      order.push_back(h * head_dim + (i < 2 * half ? 2 * (i % half) + i / half : i));
    }
  }
  return order;
}

LinearSource uninterleaved(LinearSource source, std::int64_t heads, std::int64_t head_dim,
                           std::int64_t rotary_dim) {
  if (source.parts.front().weight == nullptr) return source;  // its sizes may be any
  std::vector<std::int64_t>& stored = source.parts.front().row_order;
  std::vector<std::int64_t> order = uninterleaved_order(heads, head_dim, rotary_dim);
  if (!stored.empty()) {
    for (std::int64_t& row : order) row = stored[static_cast<std::size_t>(row)];
  }
  stored = std::move(order);
  return source;
}

namespace {

std::int64_t rotary_dim(const StackConfig& d) {
  const auto* rotary = std::get_if<RotaryPositions>(&d.positions);
  return rotary ? 2 * static_cast<std::int64_t>(rotary->inverse_frequencies.size()) : 0;
}

}  // namespace

AttentionSource bind_llama_attention(const WeightBinder& w, const StackConfig& d, bool interleaved,
                                     std::string_view out) {
  const auto bias = [&](bool has) {
    return w.is_gguf() ? Bias::if_present : has ? Bias::yes : Bias::no;
  };
  const auto rotated = [&](std::string_view name, std::int64_t heads) {
    LinearSource source = w.linear(name, heads * d.head_dim, d.hidden_size, bias(d.attention_bias));
    return interleaved ? uninterleaved(std::move(source), heads, d.head_dim, rotary_dim(d))
                       : source;
  };
  AttentionSource a;
  a.in = rotated("q_proj", d.num_attention_heads);
  a.in.append(rotated("k_proj", d.num_key_value_heads))
      .append(w.linear("v_proj", d.key_value_size(), d.hidden_size, bias(d.attention_bias)));
  a.out = w.linear(out, d.hidden_size, d.query_size(), bias(d.attention_out_bias));
  return a;
}

FeedForwardSource bind_llama_feed_forward(const WeightBinder& w, const StackConfig& d) {
  const Bias bias = w.is_gguf() ? Bias::if_present : d.mlp_bias ? Bias::yes : Bias::no;
  FeedForwardSource f;
  f.gate = w.linear("gate_proj", d.intermediate_size, d.hidden_size, bias);
  f.up = w.linear("up_proj", d.intermediate_size, d.hidden_size, bias);
  f.down = w.linear("down_proj", d.hidden_size, d.intermediate_size, bias);
  return f;
}

FeedForwardSource bind_fused_feed_forward(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t inner = d.intermediate_size;
  FeedForwardSource f;
  f.gate = w.linear_rows("gate_up_proj", {0, inner}, 2 * inner, d.hidden_size);
  f.up = w.linear_rows("gate_up_proj", {inner, 2 * inner}, 2 * inner, d.hidden_size);
  f.down = w.linear("down_proj", d.hidden_size, inner);
  return f;
}

NormSource bind_llama_norm(const WeightBinder& w, std::string_view name, std::int64_t size) {
  return w.norm(name, size, Bias::no);
}

BlockSource bind_llama_block(const WeightBinder& w, const StackConfig& d, bool interleaved,
                             std::string_view query_norm, std::string_view key_norm) {
  const WeightBinder attn = w.scope("self_attn");
  BlockSource b;
  b.attention_norm = bind_llama_norm(w, "input_layernorm", d.hidden_size);
  b.attention = bind_llama_attention(attn, d, interleaved);
  if (d.query_key_norm) {
    b.attention.query_norm = bind_llama_norm(attn, query_norm, d.head_dim);
    b.attention.key_norm = bind_llama_norm(attn, key_norm, d.head_dim);
  }
  b.feed_forward_norm = bind_llama_norm(w, "post_attention_layernorm", d.hidden_size);
  b.feed_forward = bind_llama_feed_forward(w.scope("mlp"), d);
  return b;
}

ModelSource bind_llama_model(const WeightBinder& root, const TransformerConfig& c,
                             BlockSource (*bind_block)(const WeightBinder&, const StackConfig&),
                             NormSource (*bind_norm)(const WeightBinder&, std::string_view name,
                                                     std::int64_t size),
                             std::string_view probe) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with(
      probe, {"model.language_model", "language_model.model", "model", "transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("embed_tokens"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("layers", i), d));
  }
  m.decoder.final_norm = bind_norm(w, "norm", d.hidden_size);
  bind_decoder_end(root, c, m, {.token_head = "score"});
  return m;
}

GgufLayout with_llama_names(GgufLayout layout) {
  layout.fields(
      {"num_hidden_layers=block_count", "hidden_size=embedding_length",
       "intermediate_size=feed_forward_length", "num_attention_heads=attention.head_count",
       "num_key_value_heads=attention.head_count_kv", "head_dim=attention.key_length",
       "max_position_embeddings=context_length", "rms_norm_eps=attention.layer_norm_rms_epsilon",
       "rope_theta=rope.freq_base", "vocab_size=vocab_size"});
  layout.names("", "",
               {"model.embed_tokens=token_embd", "model.norm=output_norm", "lm_head=output"});
  return layout.names(
      "model.layers.{}.", "blk.{}.",
      {"input_layernorm=attn_norm", "self_attn.q_proj=attn_q", "self_attn.k_proj=attn_k",
       "self_attn.v_proj=attn_v", "self_attn.o_proj=attn_output", "self_attn.q_norm=attn_q_norm",
       "self_attn.k_norm=attn_k_norm", "post_attention_layernorm=ffn_norm",
       "mlp.gate_proj=ffn_gate", "mlp.up_proj=ffn_up", "mlp.down_proj=ffn_down"});
}

void complete_partial_rotary(Json& config, const char* name) {
  const auto number = [&](const char* key) {
    const auto found = config.find(key);
    return found != config.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
  };
  const std::int64_t rotated = number("rope_dimension_count"),
                     heads = number("num_attention_heads");
  std::int64_t head_dim = number("head_dim");
  if (head_dim <= 0 && heads > 0) head_dim = number("hidden_size") / heads;
  if (rotated <= 0 || head_dim <= 0) return;
  const auto all = static_cast<double>(head_dim), part = static_cast<double>(rotated);
  // Multiplied by head_dim it must not be less than the number it came from.
  config[name] = part / all * all < part ? std::nextafter(part / all, 2.0) : part / all;
}

}  // namespace llm::detail
