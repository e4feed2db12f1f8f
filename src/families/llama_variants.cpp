// Decoders that are a LLaMA but for a few numbers: Granite (arXiv:2405.04324: four scales),
// Seed-OSS (biases), Helium and ERNIE 4.5 (pairs of neighbours rotate), Ministral (windows by
// layer), Ministral 3 (queries that grow with their position) and HunYuan (norms of queries and
// keys after they are rotated). Reference: transformers
// modeling_{granite,seed_oss,helium,ernie4_5,ministral,ministral3,hunyuan_v1_dense}.py.
#include <array>
#include <cmath>

#include "families/layer_patterns.hpp"
#include "families/llama_layers.hpp"
#include "model/rotary.hpp"

namespace llm::detail {
namespace llama_variants {  // the names of all family files are alike

struct Variant {
  std::string_view model_type;
  SpecialTokens special;
  DecoderDefaults sizes;
  double rope_theta;
  bool tied;         // when the file does not say it
  bool interleaved;  // pairs of neighbours rotate together
};

constexpr std::array<Variant, 7> variants{{
    {"granite", {1, 2, {}, {}}, {}, 10000.0, false, false},
    {"seed_oss",
     {0, 2, 1, {}},
     {.num_key_value_heads = 8, .head_dim = 128, .max_position_embeddings = 524288},
     10000.0,
     false,
     false},
    {"helium",
     {1, 2, 3, {}},
     {.num_key_value_heads = 20,
      .head_dim = 128,
      .max_position_embeddings = 4096,
      .rms_norm_eps = 1e-8},
     100000.0,
     false,
     true},
    {"ernie4_5",
     {1, 2, 0, {}},
     {.num_key_value_heads = 2,
      .head_dim = 128,
      .max_position_embeddings = 131072,
      .rms_norm_eps = 1e-5},
     500000.0,
     true,
     true},
    {"ministral",
     {1, 2, {}, {}},
     {.num_key_value_heads = 8, .max_position_embeddings = 131072},
     10000.0,
     false,
     false},
    {"ministral3",
     {1, 2, 11, {}},
     {.num_key_value_heads = 8,
      .head_dim = 128,
      .max_position_embeddings = 262144,
      .rms_norm_eps = 1e-5},
     10000.0,
     false,
     false},
    {"hunyuan_v1_dense", {1, 2, 0, {}}, {.rms_norm_eps = 1e-5}, 10000.0, false, false},
}};

const Variant& variant_of(std::string_view model_type) {
  return *std::ranges::find(variants, model_type, &Variant::model_type);
}

double positive(const ConfigReader& json, std::string_view name) {
  const double value = json.number(name, 1.0);
  if (!(value > 0)) json.reject(name, "expected a positive number");
  return value;
}

void read_granite(const ConfigReader& json, TransformerConfig& c) {
  StackConfig& d = c.decoder;
  d.embedding_scale = json.number("embedding_multiplier", 1.0);
  d.attention_scale = json.number("attention_multiplier", 1.0);
  d.residual_scale = json.number("residual_multiplier", 1.0);
  c.logits_scale = 1.0 / positive(json, "logits_scaling");
}

void read_biases(const ConfigReader& json, StackConfig& d) {
  const bool seed = json.is_any({"seed_oss"}), ernie = json.is_any({"ernie4_5"});
  if (json.is_any({"ministral", "ministral3"})) return;
  d.attention_bias = json.flag(ernie ? "use_bias" : "attention_bias", seed);
  if (json.is_any({"granite", "ernie4_5", "hunyuan_v1_dense"})) {
    d.attention_out_bias = d.attention_bias;
  }
  if (seed) d.attention_out_bias = json.flag("attention_out_bias", false);
  if (json.is_any({"granite", "seed_oss", "helium"})) d.mlp_bias = json.flag("mlp_bias", false);
  if (ernie) d.mlp_bias = d.attention_bias;
}

void read_ministral3(const ConfigReader& json, StackConfig& d) {
  const bool newer = !json.object("rope_parameters").json().empty();
  const ConfigReader rope = json.object(newer ? "rope_parameters" : "rope_scaling");
  d.query_growth = rope.number("llama_4_scaling_beta", 0);
  if (d.query_growth != 0) d.query_growth_period = rope.size("original_max_position_embeddings");
}

// Ministral 3 scales its rotation where the file does not say how.
ConfigReader complete(const ConfigReader& json) {
  const bool says = json.has("rope_parameters") || json.has("rope_scaling");
  if (!json.is_any({"ministral3"}) || says) return json;
  return json.with_defaults({{"rope_parameters",
                              {{"rope_type", "yarn"},
                               {"rope_theta", json.number("rope_theta", 1000000.0)},
                               {"factor", 16.0},
                               {"original_max_position_embeddings", 16384},
                               {"beta_fast", 32.0},
                               {"beta_slow", 1.0},
                               {"mscale_all_dim", 1.0},
                               {"mscale", 1.0},
                               {"llama_4_scaling_beta", 0.1}}}});
}

TransformerConfig read_config(const ConfigReader& given) {
  const ConfigReader json = complete(given);
  const Variant& variant = variant_of(json.text("model_type", ""));
  TransformerConfig c = json.common(variant.special);
  c.kind = ModelKind::decoder;
  c.tie_word_embeddings = json.flag("tie_word_embeddings", variant.tied);
  StackConfig& d = c.decoder;
  d = read_llama_stack(json, variant.sizes);
  const bool hunyuan = json.is_any({"hunyuan_v1_dense"});
  d.positions = read_rotary(json, d.head_dim, d.max_position_embeddings,
                            {.theta = variant.rope_theta, .stretched_by_alpha = hunyuan});
  read_biases(json, d);
  d.query_key_norm = d.norm_after_rotation = hunyuan;
  if (json.is_any({"granite"})) read_granite(json, c);
  if (json.is_any({"ministral"})) {
    d.attention_window = read_layer_windows(json, d, json.size("sliding_window", 4096, 0), 0);
  }
  if (json.is_any({"ministral3"})) {
    read_ministral3(json, d);
    const std::int64_t window = json.size("sliding_window", 0, 0);
    if (window > 0) d.attention_window.assign(std::size_t(d.num_hidden_layers), window);
  }
  return c;
}

template <bool interleaved>
BlockSource bind_block(const WeightBinder& w, const StackConfig& d) {
  return bind_llama_block(w, d, interleaved, "query_layernorm", "key_layernorm");
}

// Converters to GGUF interleave the halves of Granite's heads, as they do with LLaMA's.
ModelSource bind_weights(const WeightBinder& root, const TransformerConfig& c) {
  const bool interleaved = variant_of(c.model_type).interleaved || root.is_gguf();
  return bind_llama_model(root, c, interleaved ? bind_block<true> : bind_block<false>,
                          bind_llama_norm);
}

GgufLayout granite_gguf() {
  GgufLayout layout{{"granite"}, "granite", {}, {}};
  layout.fields({"embedding_multiplier=embedding_scale", "attention_multiplier=attention.scale",
                 "residual_multiplier=residual_scale", "logits_scaling=logit_scale"});
  return with_llama_names(std::move(layout));
}

}  // namespace llama_variants

ModelFamily granite_family() {
  using namespace llama_variants;
  return {{"granite"},    read_config,
          bind_weights,   {HeadKind::language_model},
          granite_gguf(), {{"model.embed_tokens"}}};
}
ModelFamily ernie4_5_family() {
  using namespace llama_variants;
  return {{"ernie4_5"}, read_config,
          bind_weights, {HeadKind::language_model},
          {},           {{"model.embed_tokens"}}};
}
ModelFamily helium_family() {
  using namespace llama_variants;
  return {{"helium"}, read_config, bind_weights, classifying_heads(), {}, {{"model.embed_tokens"}}};
}
ModelFamily hunyuan_family() {
  using namespace llama_variants;
  return {{"hunyuan_v1_dense"},
          read_config,
          bind_weights,
          {HeadKind::language_model, HeadKind::sequence_classification},
          {},
          {{"model.embed_tokens"}}};
}
ModelFamily ministral_family() {
  using namespace llama_variants;
  return {{"seed_oss", "ministral", "ministral3"},
          read_config,
          bind_weights,
          decoder_heads(),
          {},
          {{"model.embed_tokens"}}};
}

}  // namespace llm::detail
