// Every key of the reference's configuration classes, of its version 5 and of 4.57
// (tests/support/make_config_keys.py), and what becomes of it: read, checked to have no effect, or
// without effect.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "model/model_family.hpp"
#include "support/catch_error.hpp"
#include "support/paths.hpp"

namespace {

using llm::ErrorCode;
using llm::TransformerConfig;
using llm::detail::ConfigReader;
using llm::detail::Json;

TransformerConfig read(const Json& json) {
  const auto& family = llm::detail::family_of(json.at("model_type").get<std::string>(), "f.json");
  return family.read_config(ConfigReader(json, "f.json"));
}

enum class Effect {
  read,      // another value gives another model
  neutral,   // another value is refused
  required,  // read, and a model without it is refused
  bound,     // read, and another value alone contradicts other keys
  alias,     // another name of a field, `other`
  none,      // of training, of the reference's own running, or unused by every model of the family
};

struct Key {
  Effect effect = Effect::none;
  Json other = 1;                 // another value than the default; an alias's field
  Json context = Json::object();  // keys under which the other value counts
};
using Keys = std::map<std::string, Key>;

constexpr Effect READ = Effect::read, NEUTRAL = Effect::neutral, REQUIRED = Effect::required,
                 ALIAS = Effect::alias, NONE = Effect::none;

// Of every configuration; families replace some.
Keys common_keys() {
  return {{"add_cross_attention", {NONE, true}},
          {"architectures", {READ, Json::array({"SomeForTokenClassification"})}},
          {"attn_implementation", {NONE, "eager"}},
          {"bos_token_id", {READ, 7}},
          {"chunk_size_feed_forward", {NONE, 2}},
          {"cross_attention_hidden_size", {NONE, 8}},
          {"decoder_start_token_id", {READ, 7}},
          {"dtype", {NONE, "bfloat16"}},
          {"eos_token_id", {READ, Json::array({7, 8})}},
          {"finetuning_task", {NONE, "x"}},
          {"id2label", {READ, {{"0", "a"}, {"1", "b"}, {"2", "c"}}}},
          {"is_decoder", {NONE, true}},
          {"is_encoder_decoder", {NONE, true}},
          {"label2id", {NONE, {{"x", 0}}}},
          {"name_or_path", {NONE, "x"}},
          {"num_labels", {READ, 5}},
          {"output_attentions", {NONE, true}},
          {"output_hidden_states", {NONE, true}},
          {"pad_token_id", {READ, 7}},
          {"per_layer_config", {NEUTRAL, {{"0", {{"head_dim", 2}}}}}},
          {"prefix", {NONE, "x"}},
          {"problem_type", {READ, "regression"}},
          {"pruned_heads", {NEUTRAL, {{"0", {1}}}}},
          {"quantization_config", {NEUTRAL, {{"quant_method", "gptq"}}}},
          {"return_dict", {NONE, false}},
          {"sep_token_id", {NONE, 7}},
          {"task_specific_params", {NONE, {{"a", 1}}}},
          {"text_config", {NEUTRAL, {{"hidden_size", 1}}}},
          {"tf_legacy_loss", {NONE, true}},
          {"tie_encoder_decoder", {NEUTRAL, true}},
          {"tie_word_embeddings", {READ, false}},
          {"tokenizer_class", {NONE, "x"}},
          {"torch_dtype", {NONE, "float16"}},
          {"torchscript", {NONE, true}},
          {"use_bfloat16", {NONE, true}},
          {"use_cache", {NONE, false}},
          {"vocab_size", {REQUIRED, 90001}}};
}

Keys with(Keys keys, const Keys& more) {
  for (const auto& [name, key] : more) keys[name] = key;
  return keys;
}

Keys without_effect(std::initializer_list<const char*> names) {
  Keys keys;
  for (const char* name : names) keys[name] = {NONE, 3};
  return keys;
}

Keys bert_keys() {
  return with(
      with(common_keys(), without_effect({"attention_probs_dropout_prob", "classifier_dropout",
                                          "hidden_dropout_prob", "initializer_range"})),
      {{"add_cross_attention", {NEUTRAL, true}},
       {"hidden_act", {READ, "relu"}},
       {"hidden_size", {REQUIRED, 1536}},
       {"intermediate_size", {REQUIRED, 64}},
       {"is_decoder", {NEUTRAL, true}},
       {"layer_norm_eps", {READ, 0.5}},
       {"max_position_embeddings", {READ, 256}},
       {"num_attention_heads", {REQUIRED, 8}},
       {"num_hidden_layers", {REQUIRED, 6}},
       {"position_embedding_type", {NEUTRAL, "relative_key"}},
       {"type_vocab_size", {READ, 3}}});
}

Keys distilbert_keys() {
  return with(with(common_keys(),
                   without_effect({"attention_dropout", "dropout", "initializer_range",
                                   "qa_dropout", "seq_classif_dropout", "sinusoidal_pos_embds"})),
              {{"activation", {READ, "relu"}},
               {"dim", {READ, 1536}},
               {"hidden_dim", {READ, 64}},
               {"hidden_size", {ALIAS, "dim"}},
               {"max_position_embeddings", {READ, 256}},
               {"n_heads", {REQUIRED, 6}},
               {"n_layers", {READ, 5}},
               {"num_attention_heads", {ALIAS, "n_heads"}},
               {"num_hidden_layers", {ALIAS, "n_layers"}}});
}

// What GPT and GPT-2 have in common.
Keys gpt_keys() {
  return with(with(common_keys(),
                   without_effect({"attn_pdrop", "embd_pdrop", "initializer_range", "resid_pdrop",
                                   "summary_activation", "summary_first_dropout",
                                   "summary_proj_to_labels", "summary_type", "summary_use_proj"})),
              {{"hidden_size", {ALIAS, "n_embd"}},
               {"layer_norm_epsilon", {READ, 0.5}},
               {"max_position_embeddings", {ALIAS, "n_positions"}},
               {"n_embd", {READ, 1536}},
               {"n_head", {REQUIRED, 6}},
               {"n_layer", {READ, 5}},
               {"n_positions", {READ, 256}},
               {"num_attention_heads", {ALIAS, "n_head"}},
               {"num_hidden_layers", {ALIAS, "n_layer"}}});
}

Keys gpt2_keys() {
  return with(gpt_keys(), {{"activation_function", {READ, "relu"}},
                           {"add_cross_attention", {NEUTRAL, true}},
                           {"n_embd", {REQUIRED, 1536}},
                           {"n_inner", {READ, 64}},
                           {"n_layer", {REQUIRED, 5}},
                           {"reorder_and_upcast_attn", {NONE, true}},
                           {"scale_attn_by_inverse_layer_idx", {READ, true}},
                           {"scale_attn_weights", {READ, false}}});
}

Keys gpt_neo_keys() {
  const Json types = Json::parse(R"([[["global", "local", "local"], 8]])");
  const Json layers = std::vector<std::string>(24, "local");
  return with(
      with(common_keys(), without_effect({"attention_dropout", "classifier_dropout",
                                          "embed_dropout", "initializer_range", "resid_dropout"})),
      {{"activation_function", {READ, "relu"}},
       {"attention_layers", {READ, layers, {{"attention_types", nullptr}}}},
       {"attention_types", {READ, types, {{"attention_layers", nullptr}}}},
       {"hidden_size", {READ, 1024}},
       {"intermediate_size", {READ, 64}},
       {"layer_norm_epsilon", {READ, 0.5}},
       {"max_position_embeddings", {READ, 256}},
       {"num_attention_heads", {ALIAS, "num_heads"}},
       {"num_heads", {REQUIRED, 8}},
       {"num_hidden_layers", {ALIAS, "num_layers"}},
       {"num_layers", {Effect::bound, 12}},
       {"window_size", {READ, 64}}});
}

Keys bloom_keys() {
  return with(with(common_keys(),
                   without_effect({"attention_dropout", "hidden_dropout", "initializer_range",
                                   "pretraining_tp", "slow_but_exact"})),
              {{"apply_residual_connection_post_layernorm", {READ, true}},
               {"hidden_size", {REQUIRED, 128}},
               {"layer_norm_epsilon", {READ, 0.5}},
               {"n_embed", {ALIAS, "hidden_size"}},
               {"n_head", {REQUIRED, 4}},
               {"n_layer", {REQUIRED, 5}},
               {"num_attention_heads", {ALIAS, "n_head"}},
               {"num_hidden_layers", {ALIAS, "n_layer"}}});
}

// LLaMA, Mistral, Qwen and SmolLM3.
Keys llama_keys() {
  const Json linear = {{"rope_type", "linear"}, {"factor", 2.0}};
  return with(with(common_keys(), without_effect({"attention_dropout", "initializer_range"})),
              {{"head_dim", {READ, 64}},
               {"hidden_act", {READ, "relu"}},
               {"hidden_size", {REQUIRED, 2048}},
               {"intermediate_size", {REQUIRED, 64}},
               {"max_position_embeddings", {READ, 256}},
               {"num_attention_heads", {REQUIRED, 64}},
               {"num_hidden_layers",
                {REQUIRED, 16, {{"layer_types", nullptr}, {"no_rope_layers", nullptr}}}},
               {"num_key_value_heads", {READ, 2}},
               {"partial_rotary_factor", {NEUTRAL, 0.5}},
               {"rms_norm_eps", {READ, 0.5}},
               {"rope_parameters", {READ, linear}},
               {"rope_scaling", {READ, linear, {{"rope_parameters", nullptr}}}},
               {"rope_theta", {READ, 500.0, {{"rope_parameters", nullptr}}}},
               {"tie_word_embeddings", {READ, true}}});
}

// Windows of Qwen; those of SmolLM3 lie where it does not rotate.
Keys windows() {
  const Json used = {
      {"use_sliding_window", true}, {"sliding_window", 100}, {"layer_types", nullptr}};
  std::vector<std::string> types(32, "sliding_attention");
  types.front() = "full_attention";
  return {
      {"layer_types", {READ, types, used}},
      {"max_window_layers", {READ, 2, used}},
      {"sliding_window", {READ, 64, used}},
      {"use_sliding_window", {READ, true, {{"sliding_window", 100}, {"layer_types", nullptr}}}}};
}

Keys smollm3_keys() {
  Keys keys = with(llama_keys(), windows());
  keys.erase("max_window_layers");
  std::vector<std::string> types(36, "sliding_attention");
  types.front() = "full_attention";
  keys["layer_types"].other = types;
  return with(keys, {{"attention_bias", {READ, true}},
                     {"mlp_bias", {READ, true}},
                     {"no_rope_layer_interval", {READ, 3, {{"no_rope_layers", nullptr}}}},
                     {"no_rope_layers", {READ, std::vector<int>(36, 0)}},
                     {"hidden_size", {REQUIRED, 1024}},
                     {"num_attention_heads", {REQUIRED, 32}},
                     {"tie_word_embeddings", {READ, false}}});
}

const Json linear_rope = {{"rope_type", "linear"}, {"factor", 2.0}};
const Json no_parameters = {{"rope_parameters", nullptr}};

// `rope_parameters`, and what older files have instead; a part of each head may be rotated.
Keys partial_rotary() {
  return {{"partial_rotary_factor", {READ, 0.125, no_parameters}},
          {"rope_parameters", {READ, linear_rope}},
          {"rope_scaling", {READ, linear_rope, no_parameters}},
          {"rope_theta", {READ, 500.0, no_parameters}}};
}

// `layer_types` of `layers` layers that are not the usual ones.
Keys layer_windows(int layers) {
  std::vector<std::string> types(static_cast<std::size_t>(layers), "sliding_attention");
  types.front() = "full_attention";
  return {{"layer_types", {READ, types}},
          {"num_hidden_layers", {REQUIRED, 16, {{"layer_types", nullptr}}}},
          {"sliding_window", {READ, 64}}};
}

Keys without(Keys keys, std::initializer_list<const char*> names) {
  for (const char* name : names) keys.erase(name);
  return keys;
}

Keys gemma_keys(const std::string& type) {
  Keys keys = with(llama_keys(), {{"attention_bias", {READ, true}},
                                  {"num_hidden_layers", {REQUIRED, 16}},
                                  {"tie_word_embeddings", {READ, false}},
                                  {"use_bidirectional_attention", {NEUTRAL, true}}});
  if (type == "gemma") return keys;
  keys = with(with(without(keys, {"hidden_act"}), layer_windows(26)),
              {{"attn_logit_softcapping", {READ, 7.0}},
               {"final_logit_softcapping", {READ, 7.0}},
               {"hidden_activation", {READ, "relu"}},
               {"query_pre_attn_scalar", {READ, 100}}});
  if (type == "gemma2") return keys;
  return with(keys, {{"attn_logit_softcapping", {NONE, 7.0}},
                     {"rope_local_base_freq", {READ, 500.0, no_parameters}},
                     {"rope_parameters", {READ, {{"full_attention", linear_rope}}}},
                     {"rope_scaling", {READ, linear_rope, no_parameters}},
                     {"sliding_window_pattern", {READ, 3, {{"layer_types", nullptr}}}}});
}

// The text part has the other keys; fields of the whole count where it says nothing.
Keys gemma3_keys() {
  return with(with(common_keys(),
                   without_effect({"boi_token_id", "boi_token_index", "eoi_token_id",
                                   "eoi_token_index", "image_token_id", "image_token_index",
                                   "initializer_range", "mm_tokens_per_image", "vision_config"})),
              {{"text_config", {READ, {{"hidden_size", 1024}}}},
               {"tie_word_embeddings", {READ, false}},
               {"vocab_size", {READ, 90001}}});
}

Keys phi_keys() {
  const Keys llama = without(llama_keys(), {"head_dim", "rms_norm_eps"});
  return with(with(with(llama, partial_rotary()),
                   without_effect({"embd_pdrop", "ignore_keys_at_rope_validation", "resid_pdrop"})),
              {{"hidden_size", {REQUIRED, 1024}},
               {"layer_norm_eps", {READ, 0.5}},
               {"num_hidden_layers", {REQUIRED, 16}},
               {"qk_layernorm", {READ, true}}});
}

Keys phi3_keys() {
  const Json longrope = {{"rope_type", "longrope"},
                         {"short_factor", std::vector<double>(48, 1.5)},
                         {"long_factor", std::vector<double>(48, 2.5)}};
  const Json longer = {{"max_position_embeddings", 131072}, {"rope_parameters", longrope}};
  return with(with(with(without(llama_keys(), {"head_dim"}), partial_rotary()),
                   without_effect({"embd_pdrop", "resid_pdrop"})),
              {{"num_hidden_layers", {REQUIRED, 16}},
               {"original_max_position_embeddings", {READ, 2048, longer}},
               {"sliding_window", {READ, 64}}});
}

Keys gpt_neox_keys() {
  return with(
      with(common_keys(), without_effect({"attention_dropout", "classifier_dropout",
                                          "hidden_dropout", "initializer_range", "rope_theta"})),
      {{"attention_bias", {READ, false}},
       {"hidden_act", {READ, "relu"}},
       {"hidden_size", {REQUIRED, 4096}},
       {"intermediate_size", {REQUIRED, 64}},
       {"layer_norm_eps", {READ, 0.5}},
       {"max_position_embeddings", {READ, 256}},
       {"num_attention_heads", {REQUIRED, 32}},
       {"num_hidden_layers", {REQUIRED, 6}},
       {"rope_parameters", {READ, linear_rope}},
       {"rope_scaling", {READ, linear_rope, no_parameters}},
       {"rotary_emb_base", {READ, 500.0, no_parameters}},
       {"rotary_pct", {READ, 0.5, no_parameters}},
       {"tie_word_embeddings", {READ, true}},
       {"use_parallel_residual", {READ, false}}});
}

// GPT-J and CodeGen.
Keys gptj_keys() {
  return with(gpt_keys(), {{"activation_function", {READ, "relu"}},
                           {"n_ctx", {NONE, 64}},
                           {"n_embd", {READ, 2048}},
                           {"n_head", {REQUIRED, 8}},
                           {"n_inner", {READ, 64}},
                           {"rotary_dim", {READ, 32}},
                           {"tie_word_embeddings", {READ, true}}});
}

Keys opt_keys() {
  return with(with(common_keys(),
                   without_effect({"attention_dropout", "dropout", "init_std", "layerdrop"})),
              {{"activation_function", {READ, "gelu"}},
               {"do_layer_norm_before", {READ, false}},
               {"enable_bias", {READ, false}},
               {"ffn_dim", {REQUIRED, 64}},
               {"hidden_size", {REQUIRED, 1536, {{"word_embed_proj_dim", nullptr}}}},
               {"layer_norm_elementwise_affine", {NEUTRAL, false}},
               {"max_position_embeddings", {READ, 256}},
               {"num_attention_heads", {REQUIRED, 6}},
               {"num_hidden_layers", {REQUIRED, 6}},
               {"word_embed_proj_dim", {NEUTRAL, 512}}});
}

// Those of llama_variants.cpp, olmo.cpp and cohere.cpp.
Keys llama_variant_keys(const std::string& type) {
  const Key bias{READ, true};
  const Keys headless = without(llama_keys(), {"head_dim"}), biased{{"attention_bias", bias}};
  const Keys pattern{{"sliding_window_pattern", {READ, 3, {{"layer_types", nullptr}}}}};
  if (type == "granite") {
    return with(headless, {{"attention_bias", bias},
                           {"attention_multiplier", {READ, 0.5}},
                           {"embedding_multiplier", {READ, 0.5}},
                           {"logits_scaling", {READ, 0.5}},
                           {"mlp_bias", bias},
                           {"residual_multiplier", {READ, 0.5}}});
  }
  if (type == "ernie4_5") {
    return with(llama_keys(), {{"num_key_value_heads", {READ, 4}},
                               {"tie_word_embeddings", {READ, false}},
                               {"use_bias", bias}});
  }
  if (type == "helium") return with(with(llama_keys(), biased), {{"mlp_bias", bias}});
  if (type == "hunyuan_v1_dense") {
    return with(with(llama_keys(), biased), without_effect({"eod_token_id", "pretraining_tp"}));
  }
  if (type == "seed_oss") {
    return with(
        with(llama_keys(), without_effect({"pretraining_tp", "residual_dropout"})),
        {{"attention_bias", {READ, false}}, {"attention_out_bias", bias}, {"mlp_bias", bias}});
  }
  if (type == "ministral") return with(llama_keys(), layer_windows(32));
  if (type == "ministral3") return with(llama_keys(), {{"sliding_window", {READ, 64}}});
  if (type == "olmo") {
    return with(with(without(headless, {"rms_norm_eps"}), biased), {{"clip_qkv", {READ, 6.0}}});
  }
  if (type == "olmo2") return with(headless, biased);
  if (type == "olmo3") {
    return with(with(with(headless, biased), layer_windows(32)),
                {{"rope_parameters", {READ, {{"full_attention", linear_rope}}}}});
  }
  return with(with(headless, layer_windows(32)), pattern);  // EXAONE 4
}

Keys cohere_keys(const std::string& type) {
  const Json free_heads = {{"head_dim", nullptr}};
  Keys keys = with(without(llama_keys(), {"head_dim", "rms_norm_eps"}),
                   {{"attention_bias", {READ, true}},
                    {"hidden_size", {REQUIRED, 2048, free_heads}},
                    {"layer_norm_eps", {READ, 0.5}},
                    {"logit_scale", {READ, 0.5}},
                    {"num_attention_heads", {REQUIRED, 32, free_heads}},
                    {"tie_word_embeddings", {READ, false}}});
  if (type == "cohere") return with(keys, {{"use_qk_norm", {READ, true}}});
  return with(with(keys, layer_windows(40)),
              {{"head_dim", {NEUTRAL, 64}},
               {"sliding_window_pattern", {READ, 3, {{"layer_types", nullptr}}}}});
}

Keys glm4_keys() {
  return with(with(llama_keys(), partial_rotary()), {{"attention_bias", {READ, false}},
                                                     {"ignore_keys_at_rope_validation", {NONE}},
                                                     {"num_key_value_heads", {READ, 4}}});
}

// StableLM, StarCoder 2 and Nemotron.
Keys layer_norm_keys(const std::string& type) {
  const Keys keys = without(llama_keys(), {"head_dim", "rms_norm_eps"});
  if (type == "starcoder2") {
    return with(with(keys, without_effect({"embedding_dropout", "residual_dropout"})),
                {{"hidden_size", {REQUIRED, 1536}},
                 {"norm_epsilon", {READ, 0.5}},
                 {"num_attention_heads", {REQUIRED, 48}},
                 {"num_key_value_heads", {READ, 4}},
                 {"sliding_window", {READ, 64}},
                 {"tie_word_embeddings", {READ, false}},
                 {"use_bias", {READ, false}}});
  }
  const Keys partial = with(with(keys, partial_rotary()),
                            without_effect({"hidden_dropout", "ignore_keys_at_rope_validation"}));
  if (type == "stablelm") {
    return with(partial, {{"layer_norm_eps", {READ, 0.5}},
                          {"qk_layernorm", {NEUTRAL, true}},
                          {"use_parallel_residual", {READ, true}},
                          {"use_qkv_bias", {READ, true}}});
  }
  return with(partial, {{"attention_bias", {READ, true}},
                        {"head_dim", {READ, 64}},
                        {"mlp_bias", {READ, true}},
                        {"norm_eps", {READ, 0.5}}});
}

Keys falcon_keys() {
  const Json grouped = {{"new_decoder_architecture", true}};
  return with(with(common_keys(), without_effect({"attention_dropout", "hidden_dropout",
                                                  "initializer_range", "num_ln_in_parallel_attn"})),
              {{"activation", {READ, "relu"}},
               {"alibi", {READ, true}},
               {"bias", {READ, true}},
               {"ffn_hidden_size", {READ, 64}},
               {"hidden_size", {REQUIRED, 7100}},
               {"layer_norm_epsilon", {READ, 0.5}},
               {"max_position_embeddings", {READ, 256}},
               {"multi_query", {READ, false}},
               {"n_embed", {ALIAS, "hidden_size"}},
               {"new_decoder_architecture", {READ, true}},
               {"num_attention_heads", {REQUIRED, 64}},
               {"num_hidden_layers", {REQUIRED, 6}},
               {"num_kv_heads", {READ, 1, grouped}},
               {"parallel_attn", {READ, false}},
               {"partial_rotary_factor", {NEUTRAL, 0.5}},
               {"rope_parameters", {READ, linear_rope}},
               {"rope_scaling", {READ, linear_rope, no_parameters}},
               {"rope_theta", {READ, 500.0, no_parameters}}});
}

Keys mpt_keys() {
  return with(with(common_keys(), without_effect({"emb_pdrop", "embedding_fraction", "init_device",
                                                  "initializer_range", "learned_pos_emb",
                                                  "norm_type", "resid_pdrop"})),
              {{"attn_config", {READ, {{"clip_qkv", 6.0}}}},
               {"d_model", {READ, 1024}},
               {"expansion_ratio", {NEUTRAL, 2}},
               {"hidden_size", {ALIAS, "d_model"}},
               {"layer_norm_epsilon", {READ, 0.5}},
               {"logit_scale", {NEUTRAL, 0.5}},
               {"max_seq_len", {READ, 256}},
               {"n_heads", {REQUIRED, 8}},
               {"n_layers", {REQUIRED, 6}},
               {"no_bias", {NEUTRAL, false}},
               {"num_attention_heads", {ALIAS, "n_heads"}},
               {"num_hidden_layers", {ALIAS, "n_layers"}}});
}

Keys gpt_bigcode_keys() {
  return with(with(gpt_keys(), without_effect({"attention_softmax_in_fp32", "num_key_value_heads",
                                               "scale_attention_softmax_in_fp32"})),
              {{"activation_function", {READ, "relu"}},
               {"add_cross_attention", {NEUTRAL, true}},
               {"multi_query", {READ, false}},
               {"n_embd", {REQUIRED, 1536}},
               {"n_inner", {READ, 64}},
               {"n_layer", {REQUIRED, 5}},
               {"scale_attn_weights", {READ, false}}});
}

Keys biogpt_keys() {
  return with(
      with(common_keys(), without_effect({"activation_dropout", "attention_probs_dropout_prob",
                                          "hidden_dropout_prob", "initializer_range",
                                          "layer_norm_eps", "layerdrop"})),
      {{"hidden_act", {READ, "relu"}},
       {"hidden_size", {REQUIRED, 1536}},
       {"intermediate_size", {REQUIRED, 64}},
       {"max_position_embeddings", {READ, 256}},
       {"num_attention_heads", {REQUIRED, 8}},
       {"num_hidden_layers", {REQUIRED, 6}},
       {"scale_embedding", {READ, false}}});
}

Keys xglm_keys() {
  return with(with(common_keys(), without_effect({"activation_dropout", "attention_dropout",
                                                  "dropout", "init_std", "layerdrop"})),
              {{"activation_function", {READ, "relu"}},
               {"add_cross_attention", {NEUTRAL, true}},
               {"attention_heads", {REQUIRED, 8}},
               {"d_model", {READ, 2048}},
               {"ffn_dim", {REQUIRED, 64}},
               {"hidden_size", {ALIAS, "d_model"}},
               {"max_position_embeddings", {READ, 256}},
               {"num_attention_heads", {ALIAS, "attention_heads"}},
               {"num_hidden_layers", {ALIAS, "num_layers"}},
               {"num_layers", {REQUIRED, 6}},
               {"scale_embedding", {READ, false}}});
}

Keys t5_keys() {
  return with(
      with(common_keys(),
           without_effect({"classifier_dropout", "dropout_rate", "initializer_factor"})),
      {{"d_ff", {REQUIRED, 64}},
       {"d_kv", {REQUIRED, 32}},
       {"d_model", {REQUIRED, 64}},
       {"dense_act_fn", {READ, "silu", {{"feed_forward_proj", nullptr}}}},
       {"feed_forward_proj",
        {READ, "gated-silu", {{"dense_act_fn", nullptr}, {"is_gated_act", nullptr}}}},
       {"head_dim", {ALIAS, "d_kv"}},
       {"hidden_size", {ALIAS, "d_model"}},
       {"is_decoder", {NEUTRAL, true}},
       {"is_encoder_decoder", {NEUTRAL, false}},
       {"is_gated_act", {READ, true, {{"feed_forward_proj", nullptr}, {"is_gated_act", false}}}},
       {"layer_norm_epsilon", {READ, 0.5}},
       {"num_attention_heads", {ALIAS, "num_heads"}},
       {"num_decoder_layers", {READ, 2}},
       {"num_heads", {REQUIRED, 2}},
       {"num_hidden_layers", {ALIAS, "num_layers"}},
       {"num_layers", {REQUIRED, 2}},
       {"relative_attention_max_distance", {READ, 64}},
       {"relative_attention_num_buckets", {READ, 16}},
       {"scale_decoder_outputs", {READ, false}},
       {"tie_word_embeddings", {READ, false, {{"scale_decoder_outputs", nullptr}}}}});
}

Keys mt5_keys() {
  Keys keys = t5_keys();
  keys["tie_word_embeddings"] = {NONE, false};
  keys.erase("scale_decoder_outputs");
  return keys;
}

Keys bart_keys() {
  return with(with(common_keys(), without_effect({"activation_dropout", "attention_dropout",
                                                  "classifier_dropout", "decoder_layerdrop",
                                                  "dropout", "encoder_layerdrop", "init_std"})),
              {{"activation_function", {READ, "relu"}},
               {"d_model", {REQUIRED, 2048}},
               {"decoder_attention_heads", {REQUIRED, 8}},
               {"decoder_ffn_dim", {REQUIRED, 64}},
               {"decoder_layers", {REQUIRED, 2}},
               {"encoder_attention_heads", {REQUIRED, 8}},
               {"encoder_ffn_dim", {REQUIRED, 64}},
               {"encoder_layers", {REQUIRED, 2}},
               {"forced_eos_token_id", {READ, 7}},
               {"hidden_size", {ALIAS, "d_model"}},
               {"is_decoder", {NEUTRAL, true}},
               {"is_encoder_decoder", {NEUTRAL, false}},
               {"max_position_embeddings", {READ, 256}},
               {"num_attention_heads", {ALIAS, "encoder_attention_heads"}},
               {"num_hidden_layers", {ALIAS, "encoder_layers"}},
               {"scale_embedding", {READ, true}}});
}

// Dropouts and what heads of the reference's own summaries read.
Keys later_bert_keys() {
  return with(bert_keys(),
              without_effect({"classifier_dropout_prob", "summary_activation",
                              "summary_last_dropout", "summary_type", "summary_use_proj"}));
}

Keys deberta_keys(const std::string& type) {
  const Json relative = {{"relative_attention", true}, {"pos_att_type", {"c2p"}}};
  const Json convolution = {{"conv_kernel_size", 3}};
  Keys keys = with(with(bert_keys(), without_effect({"legacy", "pooler_dropout"})),
                   {{"embedding_size", {NEUTRAL, 64}},
                    {"hidden_size", {REQUIRED, 3072, {{"pooler_hidden_size", nullptr}}}},
                    {"max_relative_positions", {READ, 20, relative}},
                    {"pooler_hidden_act", {READ, "relu"}},
                    {"pooler_hidden_size", {NEUTRAL, 64}},
                    {"pos_att_type", {READ, {"p2c"}}},
                    {"position_biased_input", {READ, false}},
                    {"relative_attention", {READ, true, {{"pos_att_type", {"c2p"}}}}}});
  if (type == "deberta") return with(keys, {{"talking_head", {NEUTRAL, true}}});
  return with(keys, {{"attention_head_size", {NEUTRAL, 7}},
                     {"conv_act", {READ, "relu", convolution}},
                     {"conv_groups", {NEUTRAL, 2, convolution}},
                     {"conv_kernel_size", {READ, 3}},
                     {"norm_rel_ebd", {READ, "layer_norm", relative}},
                     {"position_buckets", {READ, 32, relative}},
                     {"share_att_key", {READ, true, relative}}});
}

Keys modernbert_keys() {
  const Json no_types = {{"layer_types", nullptr}};
  return with(with(common_keys(),
                   without_effect({"attention_dropout", "classifier_dropout", "cls_token_id",
                                   "deterministic_flash_attn", "embedding_dropout",
                                   "initializer_cutoff_factor", "initializer_range", "mlp_dropout",
                                   "sparse_pred_ignore_index", "sparse_prediction"})),
              {{"attention_bias", {READ, true}},
               {"classifier_activation", {READ, "relu"}},
               {"classifier_bias", {READ, true}},
               {"classifier_pooling", {READ, "mean"}},
               {"decoder_bias", {READ, false}},
               {"global_attn_every_n_layers", {READ, 2, no_types}},
               {"global_rope_theta", {READ, 500.0, no_parameters}},
               {"hidden_activation", {READ, "relu"}},
               {"hidden_size", {REQUIRED, 1536}},
               {"intermediate_size", {REQUIRED, 64}},
               {"layer_types", {READ, std::vector<std::string>(22, "sliding_attention")}},
               {"local_attention", {READ, 64}},
               {"local_rope_theta", {READ, 500.0, no_parameters}},
               {"max_position_embeddings", {READ, 256}},
               {"mlp_bias", {READ, true}},
               {"norm_bias", {READ, true}},
               {"norm_eps", {READ, 0.5}},
               {"num_attention_heads", {REQUIRED, 6}},
               {"num_hidden_layers", {REQUIRED, 16, no_types}},
               {"rope_parameters", {READ, {{"full_attention", linear_rope}}}},
               {"rope_scaling", {READ, linear_rope, no_parameters}}});
}

Keys nomic_bert_keys() {
  Keys keys = with(without(llama_keys(), {"num_key_value_heads", "rms_norm_eps"}),
                   without_effect({"attention_probs_dropout_prob", "classifier_dropout",
                                   "hidden_dropout_prob"}));
  return with(keys, {{"head_dim", {NEUTRAL, 32}},
                     {"hidden_size", {REQUIRED, 1536, {{"head_dim", nullptr}}}},
                     {"layer_norm_eps", {READ, 0.5}},
                     {"num_attention_heads", {REQUIRED, 6, {{"head_dim", nullptr}}}},
                     {"tie_word_embeddings", {READ, false}},
                     {"type_vocab_size", {READ, 1}}});
}

Keys blenderbot_keys() {
  return with(bart_keys(), {{"encoder_layers", {REQUIRED, 3}},
                            // An option of generation, read with the others.
                            {"encoder_no_repeat_ngram_size", {NONE, 2}}});
}

// BART's descendants, and encoders with more than BERT's keys.
std::optional<Keys> later_keys(const std::string& type) {
  if (type.starts_with("deberta")) return deberta_keys(type);
  if (type == "modernbert") return modernbert_keys();
  if (type == "nomic_bert") return nomic_bert_keys();
  if (type == "eurobert") {
    return with(llama_keys(), {{"attention_bias", {READ, true}},
                               {"classifier_pooling", {READ, "mean"}},
                               {"head_dim", {READ, 32}},
                               {"mask_token_id", {NONE, 7}},
                               {"mlp_bias", {READ, true}},
                               {"num_attention_heads", {REQUIRED, 24}},
                               {"pretraining_tp", {NONE, 2}}});
  }
  if (type == "roformer") {
    return with(bert_keys(), {{"embedding_size", {READ, 64}}, {"rotary_value", {NEUTRAL, true}}});
  }
  if (type.starts_with("blenderbot")) return blenderbot_keys();
  if (type == "plbart") {
    return with(bart_keys(), {{"d_model", {REQUIRED, 1536}},
                              {"initializer_range", {NONE, 3}},
                              {"scale_embedding", {READ, false}}});
  }
  if (type == "mvp") {
    return with(bart_keys(), {{"prompt_length", {NONE, 7}},
                              {"prompt_mid_dim", {NONE, 7}},
                              {"use_prompt", {NEUTRAL, true}}});
  }
  return std::nullopt;
}

Keys keys_of(const std::string& type) {
  const Key bias{READ, true};
  if (const std::optional<Keys> later = later_keys(type)) return *later;
  if (type == "bert" || type == "roberta" || type == "xlm-roberta" || type == "camembert" ||
      type == "megatron-bert" || type == "roberta-prelayernorm" || type == "xlm-roberta-xl") {
    return bert_keys();
  }
  if (type == "mpnet") {
    Keys keys = with(bert_keys(), {{"relative_attention_num_buckets", {NEUTRAL, 31}}});
    keys.erase("type_vocab_size");
    return keys;
  }
  if (type == "electra") return with(later_bert_keys(), {{"embedding_size", {READ, 64}}});
  if (type == "albert") {
    return with(later_bert_keys(), {{"embedding_size", {READ, 64}},
                                    {"hidden_act", {READ, "relu"}},
                                    {"inner_group_num", {READ, 2}},
                                    {"num_hidden_groups", {READ, 2}}});
  }
  if (type == "rembert") {
    return with(later_bert_keys(), {{"hidden_size", {REQUIRED, 2304}},
                                    {"input_embedding_size", {READ, 64}},
                                    {"output_embedding_size", {NONE, 64}},  // the tensors say it
                                    {"tie_word_embeddings", {NEUTRAL, true}}});
  }
  if (type == "m2m_100")
    return with(bart_keys(),
                {{"activation_function", {READ, "gelu"}}, {"scale_embedding", {READ, false}}});
  if (type == "distilbert") return distilbert_keys();
  if (type == "openai-gpt") return with(gpt_keys(), {{"afn", {READ, "relu"}}});
  if (type == "gpt2") return gpt2_keys();
  if (type == "gpt_neo") return gpt_neo_keys();
  if (type == "bloom") return bloom_keys();
  if (type == "llama") {
    return with(llama_keys(),
                {{"attention_bias", bias}, {"mlp_bias", bias}, {"pretraining_tp", {NONE, 2}}});
  }
  if (type == "mistral") return with(llama_keys(), {{"sliding_window", {READ, 64}}});
  if (type == "qwen2") return with(llama_keys(), windows());
  if (type == "qwen3") return with(with(llama_keys(), windows()), {{"attention_bias", bias}});
  if (type == "smollm3") return smollm3_keys();
  if (type == "gemma3") return gemma3_keys();
  if (type.starts_with("gemma")) return gemma_keys(type);
  if (type == "phi") return phi_keys();
  if (type == "phi3") return phi3_keys();
  if (type == "gpt_neox") return gpt_neox_keys();
  if (type == "gptj" || type == "codegen") return gptj_keys();
  if (type == "opt") return opt_keys();
  for (const char* variant : {"granite", "ernie4_5", "helium", "hunyuan_v1_dense", "seed_oss",
                              "ministral", "ministral3", "olmo", "olmo2", "olmo3", "exaone4"}) {
    if (type == variant) return llama_variant_keys(type);
  }
  if (type == "cohere" || type == "cohere2") return cohere_keys(type);
  if (type == "glm4") return glm4_keys();
  if (type == "stablelm" || type == "starcoder2" || type == "nemotron")
    return layer_norm_keys(type);
  if (type == "falcon") return falcon_keys();
  if (type == "mpt") return mpt_keys();
  if (type == "gpt_bigcode") return gpt_bigcode_keys();
  if (type == "xglm") return xglm_keys();
  if (type == "biogpt") return biogpt_keys();
  if (type == "mt5") return mt5_keys();
  if (type == "t5" || type == "umt5") return t5_keys();
  if (type == "marian") {
    const Json separate = {{"share_encoder_decoder_embeddings", false}};
    return with(bart_keys(), {{"decoder_vocab_size", {READ, 70000, separate}},
                              {"share_encoder_decoder_embeddings", {READ, false}}});
  }
  return bart_keys();
}

Json reference_keys() {
  return llm::detail::read_json_file(llm::test::source_dir() / "tests/unit/data/config_keys.json");
}

// The reference's defaults without the labels, whose default it makes up, and without second names.
Json defaults(const std::string& type, const Json& reference, const Keys& keys) {
  Json json = reference;
  json["model_type"] = type;
  for (const char* name : {"id2label", "label2id", "num_labels"}) json.erase(name);
  for (const char* name : {"bos_token_id", "eos_token_id"}) {  // defaults that no token has
    const auto id = json.find(name);
    if (id != json.end() && id->is_number() && *id >= json.at("vocab_size")) json.erase(id);
  }
  for (const auto& [name, key] : keys) {
    if (key.effect == ALIAS) json.erase(name);
  }
  return json;
}

void expect_named(const Json& json, const std::string& name, const std::string& why) {
  const llm::Error error = llm::test::catch_error([&] { read(json); });
  EXPECT_NE(std::string(error.what()).find(name), std::string::npos)
      << why << " " << name << ": " << error.what();
}

void check_alias(const Json& base, const std::string& alias, const std::string& name) {
  Json json = base;
  json[alias] = json.at(name);
  EXPECT_EQ(read(json), read(base)) << alias;
  json.erase(name);
  EXPECT_EQ(read(json), read(base)) << alias;
  json[name] = json.at(alias).get<int>() + 1;
  const llm::Error error = llm::test::catch_error([&] { read(json); });
  EXPECT_EQ(error.code(), ErrorCode::bad_format);
  const std::string what = error.what();
  EXPECT_NE(what.find(name + " is " + json.at(name).dump()), std::string::npos) << what;
  EXPECT_NE(what.find(alias + " is " + json.at(alias).dump()), std::string::npos) << what;
}

void check_key(const Json& base, const std::string& name, const Key& key) {
  if (key.effect == ALIAS) return check_alias(base, name, key.other.get<std::string>());
  Json before = base;
  before.merge_patch(key.context);
  Json after = before, wrong = before, without = before;
  after[name] = key.other;
  wrong[name] = Json::array({Json::object()});
  without.erase(name);
  switch (key.effect) {
    case NONE:
      EXPECT_EQ(read(after), read(before)) << name;
      EXPECT_EQ(read(wrong), read(before)) << name;
      break;
    case NEUTRAL:
      EXPECT_EQ(read(without), read(before)) << name;
      llm::test::expect_error(ErrorCode::unsupported, "f.json: " + name + " is ",
                              [&] { read(after); });
      break;
    case Effect::bound:
      expect_named(wrong, name, "a wrong value of");
      llm::test::catch_error([&] { read(after); });
      break;
    default:
      EXPECT_FALSE(read(after) == read(before)) << name;
      expect_named(wrong, name, "a wrong value of");
      if (key.effect == REQUIRED) expect_named(without, name, "without");
  }
}

class ConfigKeys : public testing::TestWithParam<std::string> {};

TEST_P(ConfigKeys, EachIsReadOrCheckedOrWithoutEffect) {
  const Json reference = reference_keys().at(GetParam());
  const Keys keys = keys_of(GetParam());
  for (const auto& [name, value] : reference.items()) {
    EXPECT_TRUE(keys.contains(name)) << "the reference has the key " << name;
  }
  const Json base = defaults(GetParam(), reference, keys);
  for (const auto& [name, key] : keys) check_key(base, name, key);
}

// A key that a file leaves out has the reference's default.
TEST_P(ConfigKeys, AbsentOnesHaveTheDefaultsOfTheReference) {
  const Keys keys = keys_of(GetParam());
  const Json base = defaults(GetParam(), reference_keys().at(GetParam()), keys);
  for (const auto& [name, key] : keys) {
    if (!base.contains(name) || key.effect == REQUIRED) continue;
    Json without = base;
    without.erase(name);
    EXPECT_EQ(read(without), read(base)) << name;
  }
}

TEST_P(ConfigKeys, OthersHaveNoEffect) {
  const Json base = defaults(GetParam(), reference_keys().at(GetParam()), keys_of(GetParam()));
  Json more = base;
  more["a_key_of_next_year"] = {{"a", 1}};
  more["_name_or_path"] = "x";
  EXPECT_EQ(read(more), read(base));
}

INSTANTIATE_TEST_SUITE_P(Types, ConfigKeys, testing::ValuesIn([] {
                           std::vector<std::string> types;
                           for (const auto& family : llm::detail::model_families()) {
                             types.insert(types.end(), family.model_types.begin(),
                                          family.model_types.end());
                           }
                           return types;
                         }()),
                         [](const auto& type) {
                           std::string name = type.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Two spellings of one thing.
class Contradictions : public testing::Test {
 protected:
  static Json llama(const Json& more) {
    Json json = {{"model_type", "llama"},  {"vocab_size", 100},        {"hidden_size", 16},
                 {"num_hidden_layers", 2}, {"num_attention_heads", 2}, {"intermediate_size", 16}};
    json.update(more);
    return json;
  }
  static void expect(const Json& json, const std::string& part) {
    llm::test::expect_error(ErrorCode::bad_format, part, [&] { read(json); });
  }
};

TEST_F(Contradictions, Rotation) {
  const Json linear = {{"rope_type", "linear"}, {"factor", 2.0}};
  const Json plain = {{"rope_type", "default"}, {"rope_theta", 500.0}};
  expect(llama({{"rope_parameters", plain}, {"rope_scaling", linear}}),
         "rope_scaling is {\"factor\":2.0,\"rope_type\":\"linear\"}, but rope_parameters is {");
  expect(llama({{"rope_parameters", plain}, {"rope_theta", 10000.0}}),
         "rope_theta is 10000.0, but rope_theta inside f.json: rope_parameters is 500.0");
  expect(llama({{"rope_scaling", {{"rope_type", "linear"}, {"type", "yarn"}, {"factor", 2.0}}}}),
         "rope_type is \"linear\", but type is \"yarn\"");
  // The same said twice is said once.
  const Json older = {{"type", "linear"}, {"factor", 2}};
  Json both = linear;
  both["rope_theta"] = 500.0;
  const Json once = llama({{"rope_parameters", both}});
  EXPECT_EQ(read(llama({{"rope_parameters", both}, {"rope_scaling", older}})), read(once));
  EXPECT_EQ(read(llama({{"rope_scaling", older}, {"rope_theta", 500}})), read(once));
  EXPECT_EQ(read(llama({{"rope_parameters", both}, {"rope_theta", 500}})), read(once));
  EXPECT_EQ(read(llama({{"rope_parameters", both}, {"rope_scaling", nullptr}})), read(once));
  EXPECT_EQ(read(llama({{"rope_parameters", both}, {"rope_scaling", Json::object()}})), read(once));
}

TEST_F(Contradictions, RotationByLayers) {
  const Json plain = {{"rope_type", "default"}, {"rope_theta", 500.0}};
  llm::test::expect_error(ErrorCode::unsupported, "rope_parameters is {", [&] {
    read(llama({{"rope_parameters", {{"full_attention", plain}, {"sliding_attention", nullptr}}}}));
  });
}

TEST_F(Contradictions, Windows) {
  const Json sliding = std::vector<std::string>(2, "sliding_attention");
  expect(llama({{"layer_types", sliding}}), "layer_types is ");
  expect(llama({{"model_type", "qwen2"}, {"num_key_value_heads", 2}, {"layer_types", sliding}}),
         "but the model has no sliding window");
  expect(llama({{"layer_types", {"full_attention"}}}), "expected one for each of the 2 layers");
  llm::test::expect_error(ErrorCode::unsupported, "layer_types", [&] {
    read(llama({{"model_type", "mistral"},
                {"num_key_value_heads", 2},
                {"layer_types", {"full_attention", "sliding_attention"}}}));
  });
}

TEST_F(Contradictions, Labels) {
  const Json labels = {{"0", "a"}, {"1", "b"}, {"2", "c"}};
  const Json classifier = {{"architectures", {"LlamaForSequenceClassification"}},
                           {"id2label", labels},
                           {"num_labels", 2}};
  expect(llama(classifier), "num_labels is 2, but the number of names in id2label is 3");
  Json other = classifier;
  other["architectures"] = {"LlamaForCausalLM"};  // has no labels to disagree about
  EXPECT_EQ(read(llama(other)).num_labels, 3);
}

TEST_F(Contradictions, FeedForwardOfT5) {
  const Json t5 = {{"model_type", "t5"}, {"vocab_size", 100}, {"d_model", 8},  {"d_kv", 4},
                   {"d_ff", 8},          {"num_layers", 1},   {"num_heads", 2}};
  const auto with_keys = [&](const Json& more) {
    Json json = t5;
    json.update(more);
    return json;
  };
  expect(with_keys({{"feed_forward_proj", "gated-gelu"}, {"is_gated_act", false}}),
         "feed_forward_proj is \"gated-gelu\", but is_gated_act is false");
  expect(with_keys({{"feed_forward_proj", "gated-gelu"}, {"dense_act_fn", "relu"}}),
         "feed_forward_proj is \"gated-gelu\", but dense_act_fn is \"relu\"");
  // The reference lets the later of the two decide, and its version 5 writes both.
  const Json own = with_keys({{"tie_word_embeddings", true}, {"scale_decoder_outputs", false}});
  EXPECT_EQ(read(own).logits_scale, 1.0);
  EXPECT_NE(read(with_keys({{"tie_word_embeddings", true}})).logits_scale, 1.0);
  EXPECT_EQ(read(with_keys({{"tie_word_embeddings", false}})).logits_scale, 1.0);
}

}  // namespace
