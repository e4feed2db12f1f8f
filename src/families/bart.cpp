// BART (arXiv:1910.13461), mBART (arXiv:2001.08210), Marian (arXiv:1804.00344), Pegasus
// (arXiv:1912.08777), M2M-100 and NLLB (arXiv:2010.11125, 2207.04672), Blenderbot
// (arXiv:2004.13637), PLBART (arXiv:2103.06333) and MVP (arXiv:2206.12131): encoder-decoders that
// differ in the placement of norms, the kind of positions and the scale of embeddings. Reference:
// transformers modeling_{bart,mbart,marian,pegasus,m2m_100,blenderbot,plbart,mvp}.py.
#include <cmath>

#include "families/heads.hpp"

namespace llm::detail {
namespace bart {  // the names of all family files are alike

// Learned positions are stored after two unused rows, those of Blenderbot without.
constexpr std::int64_t learned_offset = 2;
bool has_offset(const ConfigReader& json) {
  return json.is_any({"bart", "mbart", "plbart", "mvp"});
}
bool is_blenderbot(const ConfigReader& json) {
  return json.is_any({"blenderbot", "blenderbot-small"});
}

std::int64_t default_positions(const ConfigReader& json) {
  if (json.is_any({"blenderbot"})) return 128;
  return json.is_any({"blenderbot-small"}) ? 512 : 1024;
}

StackConfig read_stack(const ConfigReader& json, const std::string& side) {
  StackConfig s;
  s.num_hidden_layers = json.size(side + "_layers");
  s.hidden_size = json.size("d_model");
  s.intermediate_size = json.size(side + "_ffn_dim");
  json.read_heads(side + "_attention_heads", s);
  s.max_position_embeddings = json.size("max_position_embeddings", default_positions(json));
  const bool pre = json.is_any({"mbart", "pegasus", "m2m_100", "blenderbot"});
  s.norm_placement = pre ? NormPlacement::pre : NormPlacement::post;
  s.final_norm = pre;
  s.embedding_norm = has_offset(json) || json.is_any({"blenderbot-small"});
  // The reference does not scale what is normed next.
  s.positions_after_norm = json.is_any({"blenderbot-small"}) && side == "decoder";
  if (json.flag("scale_embedding", json.is_any({"m2m_100", "plbart"})) && !s.positions_after_norm) {
    s.embedding_scale = std::sqrt(static_cast<double>(s.hidden_size));
  }
  s.hidden_act = json.activation("activation_function", json.is_any({"m2m_100"}) ? "relu" : "gelu");
  return s;
}

// M2M-100's begin after the padding token's, which has none; a decoder is given no padding.
Positions read_positions(const ConfigReader& json, const TransformerConfig& c, bool is_encoder) {
  if (has_offset(json)) return LearnedPositions{learned_offset, {}};
  if (is_blenderbot(json)) return LearnedPositions{};
  if (!json.is_any({"m2m_100"})) return SinusoidalPositions{};
  const TokenId padding = c.pad_token_id.value_or(1);
  SinusoidalPositions positions{.offset = padding + 1, .reaches_last_frequency = true};
  if (is_encoder) positions.uncounted = padding;
  return positions;
}

SpecialTokens special_tokens(const ConfigReader& json) {
  if (json.is_any({"bart", "m2m_100", "mvp"})) return {0, 2, 1, 2};
  if (is_blenderbot(json)) return {1, 2, 0, 1};
  if (json.is_any({"mbart", "plbart"})) return {0, 2, 1, {}};
  if (json.is_any({"pegasus"})) return {{}, 1, 0, 0};
  return {{}, 0, 58100, 58100};
}

TransformerConfig read_config(const ConfigReader& file) {
  const ConfigReader json = file.with_aliases({{"hidden_size", "d_model"},
                                               {"num_attention_heads", "encoder_attention_heads"},
                                               {"num_hidden_layers", "encoder_layers"}});
  const SpecialTokens special = special_tokens(json);
  TransformerConfig c = json.common(special);
  json.require("is_encoder_decoder", true, "a decoder alone is not supported");
  json.require("is_decoder", false, "a decoder alone is not supported");
  c.kind = ModelKind::encoder_decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", true);
  c.encoder = read_stack(json, "encoder");
  c.decoder = read_stack(json, "decoder");
  c.encoder.positions = read_positions(json, c, true);
  c.decoder.positions = read_positions(json, c, false);
  if (json.is_any({"marian"}) && !json.flag("share_encoder_decoder_embeddings", true)) {
    c.decoder_vocab_size = json.size("decoder_vocab_size", c.vocab_size);
  }
  c.decoder.causal = c.decoder.cross_attention = true;
  c.forced_eos_token_id =
      json.tokens("forced_eos_token_id", json.is_any({"m2m_100", "mvp"})
                                             ? std::vector<TokenId>{}
                                             : std::vector<TokenId>{special.eos.value()});
  c.fills_masks = json.is_any({"bart", "mbart"});  // trained to restore texts with masks
  // The language code, which heads read.
  c.decoder_starts_with_last = json.is_any({"mbart", "plbart"});
  json.require("use_prompt", false, "prompts beside the layers are not supported");
  return c;
}

AttentionSource bind_attention(const WeightBinder& w, std::int64_t hidden, bool cross) {
  AttentionSource a;
  a.in = w.linear("q_proj", hidden, hidden, Bias::yes);
  LinearSource& keys = cross ? a.source : a.in;
  keys.append(w.linear("k_proj", hidden, hidden, Bias::yes));
  keys.append(w.linear("v_proj", hidden, hidden, Bias::yes));
  a.out = w.linear("out_proj", hidden, hidden, Bias::yes);
  return a;
}

BlockSource bind_block(const WeightBinder& w, const StackConfig& s) {
  BlockSource b;
  b.attention = bind_attention(w.scope("self_attn"), s.hidden_size, false);
  b.attention_norm = w.norm("self_attn_layer_norm", s.hidden_size, Bias::yes);
  if (s.cross_attention) {
    b.cross_attention = bind_attention(w.scope("encoder_attn"), s.hidden_size, true);
    b.cross_attention_norm = w.norm("encoder_attn_layer_norm", s.hidden_size, Bias::yes);
  }
  b.feed_forward.up = w.linear("fc1", s.intermediate_size, s.hidden_size, Bias::yes);
  b.feed_forward.down = w.linear("fc2", s.hidden_size, s.intermediate_size, Bias::yes);
  b.feed_forward_norm = w.norm("final_layer_norm", s.hidden_size, Bias::yes);
  return b;
}

StackSource bind_stack(const WeightBinder& w, const StackConfig& s, const FileTensor* tokens) {
  StackSource source;
  source.tokens = tokens;
  if (const auto* learned = std::get_if<LearnedPositions>(&s.positions)) {
    source.positions = w.matrix("embed_positions.weight",
                                s.max_position_embeddings + learned->offset, s.hidden_size);
  } else if (w.has("embed_positions.weight")) {  // some files store the sinusoids
    source.positions = w.matrix("embed_positions.weight", s.max_position_embeddings, s.hidden_size);
  }
  if (s.embedding_norm)
    source.embedding_norm = w.norm("layernorm_embedding", s.hidden_size, Bias::yes);
  for (std::int64_t i = 0; i < s.num_hidden_layers; ++i) {
    source.blocks.push_back(bind_block(w.scope("layers", i), s));
  }
  if (s.final_norm) source.final_norm = w.norm("layer_norm", s.hidden_size, Bias::yes);
  return source;
}

LinearSource bind_lm_head(const WeightBinder& root, const TransformerConfig& c,
                          const FileTensor* tokens) {
  LinearSource head = root.lm_head("lm_head", tokens, c.tie_word_embeddings, Bias::no);
  if (root.has("final_logits_bias")) {
    head.parts.front().bias = root.row_vector("final_logits_bias", c.target_vocab_size());
  }
  return head;
}

// The tables of token vectors. Marian may have one for each side, and the target's is then that of
// its LM head; all others share one.
struct Tokens {
  const FileTensor* source;
  const FileTensor* target;
  const FileTensor* head;  // unless the LM head has its own
};

// Files keep a shared table under any of its names; where the LM head is tied, also under its name.
Tokens bind_tokens(const WeightBinder& root, const WeightBinder& w, const TransformerConfig& c) {
  const std::string encoder = w.full_name("encoder.embed_tokens"),
                    decoder = w.full_name("decoder.embed_tokens");
  const auto bind = [&](std::vector<std::string> names, std::int64_t rows) {
    if (c.tie_word_embeddings) names.insert(names.begin() + 1, "lm_head");
    return root.tied_matrix(names, rows, c.encoder.hidden_size);
  };
  if (c.decoder_vocab_size > 0) {
    const FileTensor* target = bind({decoder}, c.decoder_vocab_size);
    return {root.tied_matrix({encoder}, c.vocab_size, c.encoder.hidden_size), target, target};
  }
  const FileTensor* shared = bind({w.full_name("shared"), decoder, encoder}, c.vocab_size);
  return {root.own_or_shared(encoder, shared), root.own_or_shared(decoder, shared), shared};
}

ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const WeightBinder w = root.scope_with("encoder.layers.0.fc1.weight", {"model", ""});
  const Tokens tokens = bind_tokens(root, w, c);
  ModelSource m;
  m.encoder = bind_stack(w.scope("encoder"), c.encoder, tokens.source);
  m.decoder = bind_stack(w.scope("decoder"), c.decoder, tokens.target);
  m.head = bind_seq2seq_head(root, c);
  if (c.head == HeadKind::language_model) m.lm_head = bind_lm_head(root, c, tokens.head);
  if (c.head == HeadKind::masked_lm) m.head.out = bind_lm_head(root, c, tokens.head);
  return m;
}

}  // namespace bart

ModelFamily bart_family() {
  using namespace bart;
  return {{"bart", "mbart", "plbart", "mvp"},
          read_config,
          bind_weights,
          seq2seq_heads(),
          {},
          {{"model.shared", "model.encoder.embed_tokens", "model.decoder.embed_tokens"}}};
}
ModelFamily marian_family() {
  using namespace bart;
  return {{"marian", "pegasus", "m2m_100", "blenderbot", "blenderbot-small"},
          read_config,
          bind_weights,
          {HeadKind::language_model},
          {},
          {{"model.encoder.embed_tokens", "model.shared", "model.decoder.embed_tokens"}}};
}

}  // namespace llm::detail
