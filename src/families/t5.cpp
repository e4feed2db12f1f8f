// T5 (arXiv:1910.10683), v1.1, FLAN-T5 (arXiv:2210.11416), mT5 (arXiv:2010.11934) and UMT5
// (arXiv:2304.09151): encoder-decoder, or its encoder alone; pre-norm with RMS norm; relative
// position biases that all layers of a stack share (UMT5: each layer its own); scores are not
// scaled. Reference: transformers modeling_{t5,mt5,umt5}.py.
#include <cmath>

#include "families/heads.hpp"

namespace llm::detail {
namespace t5 {  // the names of all family files are alike

StackConfig read_stack(const ConfigReader& json) {
  StackConfig s;
  s.hidden_size = json.size("d_model");
  s.intermediate_size = json.size("d_ff");
  s.num_attention_heads = s.num_key_value_heads = json.size("num_heads");
  s.head_dim = json.size("d_kv");
  s.num_hidden_layers = json.size("num_layers");
  s.norm = NormKind::rms_norm;
  s.norm_eps = json.number("layer_norm_epsilon", 1e-6);
  return s;
}

// `feed_forward_proj` is an activation, or "gated-" and an activation; its gated-gelu is the tanh
// form. Files also keep what the reference makes of it, as `dense_act_fn` and `is_gated_act`.
void read_feed_forward(const ConfigReader& json, StackConfig& s) {
  const std::string projection =
      json.text("feed_forward_proj", json.is_any({"t5"}) ? "relu" : "gated-gelu");
  const bool gated = projection.starts_with("gated-");
  const std::string function = projection == "gated-gelu" ? "gelu_new"
                               : gated ? projection.substr(std::string_view("gated-").size())
                                       : projection;
  s.gated = json.flag("is_gated_act", gated);
  s.hidden_act = json.has("dense_act_fn") ? json.activation("dense_act_fn", function)
                                          : json.activation_in("feed_forward_proj", function);
  if (!json.has("feed_forward_proj")) return;
  if (s.gated != gated) {
    json.contradicts("feed_forward_proj", "is_gated_act", json.shown("is_gated_act"));
  }
  if (json.activation_in("feed_forward_proj", function) != s.hidden_act) {
    json.contradicts("feed_forward_proj", "dense_act_fn", json.shown("dense_act_fn"));
  }
}

RelativeBias read_bias(const ConfigReader& json) {
  RelativeBias bias;
  bias.num_buckets = json.size("relative_attention_num_buckets", 32);
  bias.max_distance = json.size("relative_attention_max_distance", 128);
  if (bias.num_buckets < 4 || bias.max_distance <= bias.num_buckets / 2) {
    json.reject("relative_attention_num_buckets",
                "expected at least 4 and relative_attention_max_distance beyond half of it");
  }
  bias.per_layer = json.is_any({"umt5"});
  return bias;
}

// Whether the last hidden states are scaled before the LM head. The reference reads it from
// tie_word_embeddings, which then no longer says whether anything is tied: what a T5 stores twice
// is used as it is, the rest is shared. Its version 5 has a key for it in its files.
bool scales_outputs(const ConfigReader& json) {
  if (json.is_any({"mt5"})) return false;
  return json.flag("scale_decoder_outputs", json.flag("tie_word_embeddings", true));
}

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"hidden_size", "d_model"},
                                               {"num_attention_heads", "num_heads"},
                                               {"num_hidden_layers", "num_layers"},
                                               {"head_dim", "d_kv"}});
  const std::optional<TokenId> start =
      json.is_any({"t5"}) ? std::nullopt : std::optional<TokenId>(0);
  TransformerConfig c = json.common({{}, 1, 0, start});
  json.require("is_decoder", false, "a decoder alone is not supported");
  const bool encoder_only =
      c.head == HeadKind::token_classification ||
      (!c.architectures.empty() && c.architectures.front().ends_with("EncoderModel"));
  c.kind = encoder_only ? ModelKind::encoder : ModelKind::encoder_decoder;
  if (!encoder_only) json.require("is_encoder_decoder", true, "a decoder alone is not supported");
  StackConfig s = read_stack(json);
  read_feed_forward(json, s);
  RelativeBias bias = read_bias(json);
  s.positions = bias;
  c.encoder = s;
  bias.bidirectional = false;
  s.positions = bias;
  s.num_hidden_layers = json.size("num_decoder_layers", s.num_hidden_layers);
  s.causal = s.cross_attention = true;
  c.decoder = s;
  c.tie_word_embeddings = true;
  if (scales_outputs(json)) {
    c.logits_scale = 1.0 / std::sqrt(static_cast<double>(s.hidden_size));
  }
  if (!c.decoder_start_token_id) c.decoder_start_token_id = c.pad_token_id;
  return c;
}

LinearSource side_by_side(const WeightBinder& w, const StackConfig& s,
                          std::initializer_list<const char*> names) {
  LinearSource all;
  for (const char* name : names) {
    all.append(w.linear(name, name[0] == 'q' ? s.query_size() : s.key_value_size(), s.hidden_size));
  }
  return all;
}

FeedForwardSource bind_feed_forward(const WeightBinder& w, const StackConfig& s) {
  FeedForwardSource f;
  f.up = w.linear(s.gated ? "wi_1" : "wi", s.intermediate_size, s.hidden_size);
  if (s.gated) f.gate = w.linear("wi_0", s.intermediate_size, s.hidden_size);
  f.down = w.linear("wo", s.hidden_size, s.intermediate_size);
  return f;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& s) {
  BlockSource b;
  const WeightBinder self = w.scope("layer", 0);
  b.attention_norm = self.norm("layer_norm", s.hidden_size, Bias::no);
  b.attention.in = side_by_side(self.scope("SelfAttention"), s, {"q", "k", "v"});
  b.attention.out = self.linear("SelfAttention.o", s.hidden_size, s.query_size());
  if (s.cross_attention) {
    const WeightBinder cross = w.scope("layer", 1);
    b.cross_attention_norm = cross.norm("layer_norm", s.hidden_size, Bias::no);
    b.cross_attention.in = side_by_side(cross.scope("EncDecAttention"), s, {"q"});
    b.cross_attention.source = side_by_side(cross.scope("EncDecAttention"), s, {"k", "v"});
    b.cross_attention.out = cross.linear("EncDecAttention.o", s.hidden_size, s.query_size());
  }
  const WeightBinder last = w.scope("layer", s.cross_attention ? 2 : 1);
  b.feed_forward_norm = last.norm("layer_norm", s.hidden_size, Bias::no);
  b.feed_forward = bind_feed_forward(last.scope("DenseReluDense"), s);
  return b;
}

StackSource bind_stack(const WeightBinder& w, const StackConfig& s, const FileTensor* shared) {
  StackSource source;
  source.tokens = w.own_or_shared("embed_tokens", shared);
  const auto& bias = std::get<RelativeBias>(s.positions);
  for (std::int64_t i = 0; i < s.num_hidden_layers; ++i) {
    const WeightBinder block = w.scope("block", i);
    if (i == 0 || bias.per_layer) {
      source.relative_bias.push_back(
          block.matrix("layer.0.SelfAttention.relative_attention_bias.weight", bias.num_buckets,
                       s.num_attention_heads));
    }
    source.blocks.push_back(bind_block(block, s));
  }
  source.final_norm = w.norm("final_layer_norm", s.hidden_size, Bias::no);
  return source;
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w = root.scope_with("encoder.final_layer_norm.weight", {"", "transformer"});
  ModelSource m;
  std::vector<std::string> names;
  for (const char* name : {"shared", "encoder.embed_tokens", "decoder.embed_tokens", "lm_head"}) {
    names.push_back(w.full_name(name));
  }
  const FileTensor* tokens = w.tied_matrix(names, c.vocab_size, c.encoder.hidden_size);
  m.encoder = bind_stack(w.scope("encoder"), c.encoder, tokens);
  if (c.kind == ModelKind::encoder_decoder) {
    m.decoder = bind_stack(w.scope("decoder"), c.decoder, tokens);
  }
  if (c.head == HeadKind::language_model) {
    m.lm_head = w.lm_head("lm_head", tokens, c.tie_word_embeddings, Bias::no);
  }
  m.head = bind_seq2seq_head(root, c);
  return m;
}

// GGUF files do not say what kind of T5 they are; their tensors show it.
void complete(const WeightStore& store, Json& config) {
  if (!store.find("dec.output_norm.weight")) config["architectures"] = {"T5EncoderModel"};
  if (store.find("enc.blk.1.attn_rel_b.weight")) config["model_type"] = "umt5";
  if (store.find("enc.blk.0.ffn_gate.weight")) config["feed_forward_proj"] = "gated-gelu";
}

GgufLayout gguf() {
  GgufLayout layout{{"t5", "t5encoder"}, "t5", {}, {}, complete};
  layout.fields({"num_layers=block_count", "num_decoder_layers=decoder_block_count",
                 "d_model=embedding_length", "d_ff=feed_forward_length",
                 "d_kv=attention.key_length", "num_heads=attention.head_count",
                 "layer_norm_epsilon=attention.layer_norm_rms_epsilon",
                 "relative_attention_num_buckets=attention.relative_buckets_count",
                 "decoder_start_token_id=decoder_start_token_id"});
  layout.names("", "",
               {"shared=token_embd", "lm_head=output", "encoder.final_layer_norm=enc.output_norm",
                "decoder.final_layer_norm=dec.output_norm"});
  for (const std::string side : {"encoder", "decoder"}) {
    const std::string ours = side + ".block.{}.layer.", theirs = side.substr(0, 3) + ".blk.{}.";
    layout.names(ours + "0.", theirs,
                 {"layer_norm=attn_norm", "SelfAttention.q=attn_q", "SelfAttention.k=attn_k",
                  "SelfAttention.v=attn_v", "SelfAttention.o=attn_o",
                  "SelfAttention.relative_attention_bias=attn_rel_b"});
    layout.names(ours + (side == "encoder" ? "1." : "2."), theirs,
                 {"layer_norm=ffn_norm", "DenseReluDense.wi=ffn_up", "DenseReluDense.wi_0=ffn_gate",
                  "DenseReluDense.wi_1=ffn_up", "DenseReluDense.wo=ffn_down"});
  }
  return layout.names("decoder.block.{}.layer.1.", "dec.blk.{}.",
                      {"layer_norm=cross_attn_norm", "EncDecAttention.q=cross_attn_q",
                       "EncDecAttention.k=cross_attn_k", "EncDecAttention.v=cross_attn_v",
                       "EncDecAttention.o=cross_attn_o"});
}

}  // namespace t5

ModelFamily t5_family() {
  using namespace t5;
  return {{"t5", "mt5", "umt5"},
          read_config,
          bind_weights,
          {HeadKind::language_model, HeadKind::sequence_classification,
           HeadKind::token_classification, HeadKind::question_answering},
          gguf(),
          {{"shared", "encoder.embed_tokens", "decoder.embed_tokens"}}};
}

}  // namespace llm::detail
