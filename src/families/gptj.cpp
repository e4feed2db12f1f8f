// GPT-J (Wang & Komatsuzaki 2021) and CodeGen (arXiv:2203.13474): decoder whose attention and
// feed-forward read one norm of the same stream; the first rotary_dim values of a head are rotated,
// in pairs of neighbours. Reference: transformers modeling_{gptj,codegen}.py.
#include "families/fused_layouts.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace gptj {  // the names of all family files are alike

// The first `rotary_dim` values of each head; null: the whole head.
RotaryPositions read_positions(const ConfigReader& json, const StackConfig& d) {
  const std::int64_t dim = json.size("rotary_dim", 64, d.head_dim);
  if (dim % 2 != 0 || dim > d.head_dim) {
    json.reject("rotary_dim", "expected an even number, at most the width of a head, " +
                                  std::to_string(d.head_dim));
  }
  return read_rotary(json, dim, d.max_position_embeddings, {});
}

TransformerConfig read_config(const ConfigReader& given) {
  const ConfigReader json = given.with_aliases({{"hidden_size", "n_embd"},
                                                {"max_position_embeddings", "n_positions"},
                                                {"num_attention_heads", "n_head"},
                                                {"num_hidden_layers", "n_layer"}});
  TransformerConfig c = json.common({50256, 50256, {}, {}});
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", false);
  StackConfig& d = c.decoder;
  d.num_hidden_layers = json.size("n_layer", 28);
  d.hidden_size = json.size("n_embd", 4096);
  d.intermediate_size = json.size("n_inner", 4 * d.hidden_size);
  json.read_heads("n_head", d);
  d.max_position_embeddings = json.size("n_positions", 2048);
  d.norm_eps = json.number("layer_norm_epsilon", 1e-5);
  d.parallel_sublayers = true;
  d.positions = read_positions(json, d);
  d.causal = true;
  d.hidden_act = json.activation("activation_function", "gelu_new");
  if (json.is_any({"codegen"}) && d.num_attention_heads % 4 != 0) {
    json.reject("n_head", "expected a multiple of 4: the projections are stored in four parts");
  }
  return c;
}

// CodeGen keeps queries, values and keys in four parts, as it was trained: [part][q|v|k][rows].
LinearSource bind_in_four_parts(const WeightBinder& w, const StackConfig& d, std::int64_t kind) {
  const std::int64_t rows = d.hidden_size / 4;
  LinearSource source = w.linear("attn.qkv_proj", 3 * d.hidden_size, d.hidden_size);
  LinearSource::Part& part = source.parts.front();
  part.outputs = d.hidden_size;
  if (part.weight == nullptr) return source;
  for (std::int64_t i = 0; i < d.hidden_size; ++i) {
    part.row_order.push_back((i / rows * 3 + kind) * rows + i % rows);
  }
  return source;
}

LinearSource bind_projection(const WeightBinder& w, const StackConfig& d, bool fused,
                             std::int64_t kind) {
  constexpr std::array<const char*, 3> names{"attn.q_proj", "attn.v_proj", "attn.k_proj"};
  LinearSource source =
      fused ? bind_in_four_parts(w, d, kind)
            : w.linear(names[static_cast<std::size_t>(kind)], d.hidden_size, d.hidden_size);
  if (kind == 1) return source;
  const std::int64_t pairs = std::ssize(std::get<RotaryPositions>(d.positions).inverse_frequencies);
  return uninterleaved(std::move(source), d.num_attention_heads, d.head_dim, 2 * pairs);
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  const std::int64_t hidden = d.hidden_size, inner = d.intermediate_size;
  const bool fused = w.has("attn.qkv_proj.weight");
  BlockSource b;
  b.attention_norm = w.norm("ln_1", hidden, Bias::yes);
  b.attention.in = bind_projection(w, d, fused, 0);
  b.attention.in.append(bind_projection(w, d, fused, 2)).append(bind_projection(w, d, fused, 1));
  b.attention.out = w.linear("attn.out_proj", hidden, hidden);
  b.feed_forward.up = w.linear("mlp.fc_in", inner, hidden, Bias::yes);
  b.feed_forward.down = w.linear("mlp.fc_out", hidden, inner, Bias::yes);
  return b;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const StackConfig& d = c.decoder;
  const WeightBinder w = root.scope_with("ln_f.weight", {"transformer", ""});
  ModelSource m;
  m.decoder.tokens = bind_tokens(root, c, w.full_name("wte"), "lm_head");
  for (std::int64_t i = 0; i < d.num_hidden_layers; ++i) {
    m.decoder.blocks.push_back(bind_block(w.scope("h", i), d));
  }
  m.decoder.final_norm = w.norm("ln_f", d.hidden_size, Bias::yes);
  bind_decoder_end(root, c, m, {.lm_head_bias = Bias::yes});
  return m;
}

}  // namespace gptj

ModelFamily gptj_family() {
  using namespace gptj;
  return {
      {"gptj"},
      read_config,
      bind_weights,
      {HeadKind::language_model, HeadKind::sequence_classification, HeadKind::question_answering},
      {},
      {{"transformer.wte"}}};
}

ModelFamily codegen_family() {
  using namespace gptj;
  return {{"codegen"}, read_config,          bind_weights, {HeadKind::language_model},
          {},          {{"transformer.wte"}}};
}

}  // namespace llm::detail
