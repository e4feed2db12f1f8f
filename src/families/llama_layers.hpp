// What decoders with LLaMA's names share: sizes in config.json, projections and feed-forward.
#pragma once

#include "families/heads.hpp"

namespace llm::detail {

// What a configuration has where the file does not say it.
struct DecoderDefaults {
  std::int64_t num_key_value_heads = 0;  // 0: num_attention_heads
  std::int64_t head_dim = 0;             // 0: hidden_size / num_attention_heads
  std::int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-6;
  std::string_view hidden_act = "silu";
};

// The sizes, and a causal pre-norm stack with RMS norms, gated feed-forward and the usual scale of
// scores. The caller adds positions, biases and what else its family has.
StackConfig read_llama_stack(const ConfigReader& json, const DecoderDefaults& defaults);

// From rows whose pairs (2i, 2i+1) rotate together, within the first `rotary_dim` rows of each
// head, to those whose pairs (i, i + rotary_dim/2) do, which is how heads are rotated here.
LinearSource uninterleaved(LinearSource source, std::int64_t heads, std::int64_t head_dim,
                           std::int64_t rotary_dim);

// The order that uninterleaved() gives the rows.
std::vector<std::int64_t> uninterleaved_order(std::int64_t heads, std::int64_t head_dim,
                                              std::int64_t rotary_dim);

// `q_proj`, `k_proj`, `v_proj`, with biases as the configuration says (in GGUF files as the tensors
// show), and `out`. `interleaved`: pairs (2i, 2i+1) rotate together in the file.
AttentionSource bind_llama_attention(const WeightBinder& w, const StackConfig& d, bool interleaved,
                                     std::string_view out = "o_proj");

// `gate_proj`, `up_proj`, `down_proj`.
FeedForwardSource bind_llama_feed_forward(const WeightBinder& w, const StackConfig& d);
// `gate_up_proj`, gate before up, and `down_proj`.
FeedForwardSource bind_fused_feed_forward(const WeightBinder& w, const StackConfig& d);

// A norm without bias.
NormSource bind_llama_norm(const WeightBinder& w, std::string_view name, std::int64_t size);

// A layer: a norm before each sublayer, and where the configuration has them norms of the queries
// and keys of each head.
BlockSource bind_llama_block(const WeightBinder& w, const StackConfig& d, bool interleaved,
                             std::string_view query_norm = "q_norm",
                             std::string_view key_norm = "k_norm");

// `embed_tokens`, `layers` and `norm` below `model`, where the tensor `probe` is, and the head.
ModelSource bind_llama_model(const WeightBinder& root, const TransformerConfig& c,
                             BlockSource (*bind_block)(const WeightBinder&, const StackConfig&),
                             NormSource (*bind_norm)(const WeightBinder&, std::string_view name,
                                                     std::int64_t size),
                             std::string_view probe = "norm.weight");

// Adds the fields and tensors of GGUF files with LLaMA's names to those of a family's own, which
// come first.
GgufLayout with_llama_names(GgufLayout layout);

// Sets `name` to the part of each head that is rotated, where a GGUF file says how wide it is
// (`rope_dimension_count`).
void complete_partial_rotary(Json& config, const char* name = "partial_rotary_factor");

}  // namespace llm::detail
