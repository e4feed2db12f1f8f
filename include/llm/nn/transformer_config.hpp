/// \file
/// What a transformer is made of, as plain data. A family reads it from `config.json` (or GGUF
/// metadata); the blocks are driven by it and ask what a model has, never who it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm {

/// Which stacks a model has.
enum class ModelKind : std::uint8_t { encoder, decoder, encoder_decoder };
/// "encoder", "decoder", "encoder-decoder".
std::string_view to_string(ModelKind kind);

/// Layer norm (arXiv:1607.06450) or RMS norm (arXiv:1910.07467).
enum class NormKind : std::uint8_t { layer_norm, rms_norm };
/// Where the norm of a sublayer f stands: pre is x + f(norm(x)), post is norm(x + f(x)).
enum class NormPlacement : std::uint8_t { pre, post };

/// A table of vectors added to the token embeddings; row = position + offset.
struct LearnedPositions {
  std::int64_t offset = 0;  ///< row of position 0
  /// When set, this token stands at position -1 and is not counted (RoBERTa's padding).
  std::optional<TokenId> uncounted;
  /// All members are equal.
  bool operator==(const LearnedPositions&) const = default;
};
/// Fixed sines and cosines added to the token embeddings ("Attention is all you need", 3.5), sines
/// in the first half of the vector, cosines in the second; row = position + offset.
struct SinusoidalPositions {
  std::int64_t offset = 0;  ///< row of position 0
  /// When set, nothing is added to this token, and it is not counted (M2M-100's padding).
  std::optional<TokenId> uncounted = {};
  /// Frequency i of n is 10000^(-i/(n-1)), as in tensor2tensor, not 10000^(-i/n).
  bool reaches_last_frequency = false;
  std::int64_t zero_row = -1;  ///< this row is all zeros (XGLM's pad_token_id); -1: none is
  /// All members are equal.
  bool operator==(const SinusoidalPositions&) const = default;
};
/// Rotation of query and key pairs (i, i + dim/2) by position * inverse_frequencies[i]
/// (RoFormer, arXiv:2104.09864); scaling rules (linear, llama3, yarn) are already in the
/// frequencies.
struct RotaryPositions {
  std::vector<double> inverse_frequencies;  ///< dim/2 values; 2*size() <= head_dim is rotated
  double attention_factor = 1.0;            ///< scales cosines and sines (yarn)
  /// All members are equal.
  bool operator==(const RotaryPositions&) const = default;
};
/// A bias of slope[head] * (key - query) on the scores (ALiBi, arXiv:2108.12409).
struct AlibiPositions {
  std::vector<double> slopes;  ///< one per head
  /// All members are equal.
  bool operator==(const AlibiPositions&) const = default;
};
/// A learned bias per bucket of key - query distance and head, mostly shared by all layers (T5,
/// arXiv:1910.10683, modeling_t5.py `_relative_position_bucket`).
struct RelativeBias {
  std::int64_t num_buckets = 32;    ///< rows of the table
  std::int64_t max_distance = 128;  ///< distances from here on share the last bucket
  bool bidirectional = true;        ///< later keys have buckets of their own; else bucket 0
  bool per_layer = false;           ///< each layer has its own table (UMT5)
  /// All members are equal.
  bool operator==(const RelativeBias&) const = default;
};
/// Scores between contents and relative positions, beside those between contents (DeBERTa,
/// arXiv:2006.03654, 3.1): a query with the key of its distance to a key, and that key with the
/// query of the distance.
struct DisentangledAttention {
  bool content_to_position = false;         ///< scores of queries with keys of distances
  bool position_to_content = false;         ///< scores of keys with queries of distances
  std::int64_t max_relative_positions = 0;  ///< farther ones count as this far
  /// Distances to each side that are told apart: near ones each by itself, far ones ever more of
  /// them together (modeling_deberta_v2.py `make_log_bucket_position`). 0: all are.
  std::int64_t position_buckets = 0;
  bool share_att_key = false;        ///< the vectors are projected as keys and queries of contents
  bool norm_rel_embeddings = false;  ///< the vectors are normed before
  /// Vectors of distances: those of queries - keys = -span() .. span() - 1.
  std::int64_t span() const {
    return position_buckets > 0 ? position_buckets : max_relative_positions;
  }
  /// All members are equal.
  bool operator==(const DisentangledAttention&) const = default;
};
/// No position scheme: only the causal mask tells the order of the tokens.
struct NoPositions {
  /// All members are equal.
  bool operator==(const NoPositions&) const = default;
};
/// The position scheme of a stack.
using Positions = std::variant<NoPositions, LearnedPositions, SinusoidalPositions, RotaryPositions,
                               AlibiPositions, RelativeBias>;

/// What a checkpoint ends in.
enum class HeadKind : std::uint8_t {
  none,            ///< hidden states only
  language_model,  ///< logits over the vocabulary after each decoder token
  /// Logits over the vocabulary at each token of the text, computed by an encoder, or by the
  /// decoder of an encoder-decoder, which then reads the text shifted right (BART).
  masked_lm,
  sequence_classification,  ///< one row of label logits per text
  token_classification,     ///< one row of label logits per token
  question_answering,       ///< start and end logit per token
};
/// "masked-lm" and so on.
std::string_view to_string(HeadKind kind);

/// One stack of blocks: an encoder or a decoder. Names are those of config.json.
struct StackConfig {
  std::int64_t num_hidden_layers = 0;    ///< blocks
  std::int64_t hidden_size = 0;          ///< width of the residual stream
  std::int64_t intermediate_size = 0;    ///< width inside feed-forward
  std::int64_t num_attention_heads = 0;  ///< query heads
  std::int64_t num_key_value_heads = 0;  ///< key/value heads; divides num_attention_heads
  std::int64_t head_dim = 0;             ///< width of a head
  /// Positions the model was made for; 0 when it has no limit.
  std::int64_t max_position_embeddings = 0;

  NormKind norm = NormKind::layer_norm;  ///< kind of all norms
  bool norm_bias = true;                 ///< of layer norms, where the configuration says it
  double norm_eps = 1e-5;                ///< added to the variance (RMS norm: to the mean square)
  NormPlacement norm_placement = NormPlacement::pre;  ///< before or after each sublayer
  bool embedding_norm = false;                        ///< a norm right after the embeddings
  bool final_norm = true;                             ///< a norm after the last block
  bool residual_from_norm = false;  ///< pre-norm only: the residual is taken after the norm
  /// x + attention(norm(x)) + feed_forward(norm(x)): both read the same x (GPT-J, PaLM).
  bool parallel_sublayers = false;
  double residual_scale = 1.0;  ///< factor on what a sublayer adds to the residual stream

  Positions positions;                ///< the position scheme
  bool positions_after_norm = false;  ///< learned ones are added to normed embeddings (Blenderbot)
  std::optional<RelativeBias> relative_bias;          ///< beside `positions` (MPNet)
  std::optional<DisentangledAttention> disentangled;  ///< beside `positions` (DeBERTa)
  /// Width of a convolution over the embeddings whose activated outputs are added after the first
  /// layer, and normed with its own (DeBERTa-v2); odd, 0: none.
  std::int64_t conv_kernel_size = 0;
  Activation conv_act = Activation::tanh;  ///< of the convolution
  /// Width of the embeddings, which are projected to hidden_size (ALBERT); 0: hidden_size.
  std::int64_t embedding_size = 0;
  // Layers that share their weights (ALBERT): so many groups of neighbours, and layers in a group
  // that are run one after another; 0: each layer has its own weights.
  std::int64_t num_hidden_groups = 0;            ///< groups
  std::int64_t inner_group_num = 1;              ///< layers of a group
  double embedding_scale = 1.0;                  ///< factor on token embeddings
  double attention_scale = 1.0;                  ///< factor on the dot product of query and key
  bool scale_attn_by_inverse_layer_idx = false;  ///< self-attention: also times 1 / (layer + 1)
  /// Keys a query may look back at, itself included, per layer; 0 or empty: all. Where tokens
  /// attend to later ones as well, as many of these.
  std::vector<std::int64_t> attention_window;
  /// Layers whose queries and keys are rotated, with RotaryPositions; empty: all.
  std::vector<bool> rotary_layers;
  /// The rotation of layers with an attention_window where it is another than `positions`
  /// (Gemma 3); no frequencies: the same.
  RotaryPositions window_rotary;
  bool causal = false;               ///< a token attends to no later one
  bool cross_attention = false;      ///< blocks also attend to an encoder's hidden states
  bool query_key_norm = false;       ///< norms of queries and keys
  bool norm_after_rotation = false;  ///< these norms come after the rotation, not before it
  /// Queries at position p are scaled by 1 + query_growth * ln(1 + floor(p / query_growth_period))
  /// (Llama 4); 0: they are not.
  double query_growth = 0;
  std::int64_t query_growth_period = 1;  ///< see query_growth
  double clip_qkv = 0;  ///< queries, keys and values are clipped to -/+ this; 0: they are not
  /// Scores s become c * tanh(s / c) (Gemma 2, arXiv:2408.00118); 0: they stay as they are.
  double attn_logit_softcapping = 0;
  // Biases that only some checkpoints of a decoder family have.
  bool attention_bias = false;      ///< of the query, key and value projections
  bool attention_out_bias = false;  ///< of the output projection
  bool mlp_bias = false;            ///< of feed-forward

  Activation hidden_act = Activation::gelu;  ///< inside feed-forward
  bool gated = false;  ///< down(act(gate(x)) * up(x)) instead of down(act(up(x)))

  /// Width of the embeddings.
  std::int64_t embedding_width() const { return embedding_size > 0 ? embedding_size : hidden_size; }
  /// Width of the queries of a token: all heads side by side.
  std::int64_t query_size() const { return num_attention_heads * head_dim; }
  /// Width of the keys of a token, and of its values: all heads side by side.
  std::int64_t key_value_size() const { return num_key_value_heads * head_dim; }

  /// All members are equal.
  bool operator==(const StackConfig&) const = default;
};

/// A whole model. The members that do not apply to its kind keep their defaults.
struct TransformerConfig {
  std::string model_type;                  ///< of config.json
  std::vector<std::string> architectures;  ///< of config.json
  ModelKind kind = ModelKind::decoder;     ///< which stacks it has
  HeadKind head = HeadKind::none;          ///< the checkpoint's head
  StackConfig encoder;                     ///< encoder, encoder_decoder
  StackConfig decoder;                     ///< decoder, encoder_decoder
  std::int64_t vocab_size = 0;             ///< the model reads ids 0 .. vocab_size - 1
  std::int64_t decoder_vocab_size = 0;     ///< encoder-decoder with two vocabularies; 0: vocab_size
  std::int64_t type_vocab_size = 0;        ///< token types (BERT); 0: none
  // What some configurations say of their heads.
  Activation head_activation = Activation::gelu;  ///< after the first matrix
  bool head_bias = false;                         ///< of the first matrix
  bool lm_head_bias = false;                      ///< of the matrix to the vocabulary
  std::string classifier_pooling;                 ///< what a classifier of texts reads
  bool tie_word_embeddings = true;                ///< the LM head is the token embedding
  double logits_scale = 1.0;  ///< factor on the last hidden state before the LM head
  /// The LM head's logits x become c * tanh(x / c) (Gemma 2); 0: they stay as they are.
  double final_logit_softcapping = 0;

  std::optional<TokenId> bos_token_id;  ///< begins a text
  std::optional<TokenId> pad_token_id;  ///< padding; heads that read the last token skip it
  std::optional<TokenId> decoder_start_token_id;  ///< what an encoder-decoder's decoder reads first
  std::vector<TokenId> eos_token_id;              ///< each ends a text
  /// The generation option of this name for folders without generation_config.json: what
  /// config.json says, else the default of the family.
  std::vector<TokenId> forced_eos_token_id;
  /// The LM head of an encoder-decoder can also be loaded as a masked-LM head (BART).
  bool fills_masks = false;
  /// A head on the decoder of an encoder-decoder makes the decoder read the text shifted right by
  /// one token. The first token is then decoder_start_token_id or, when this is true, the text's
  /// own last token that is not padding (mBART's language code).
  bool decoder_starts_with_last = false;
  std::map<std::int64_t, std::string> id2label;  ///< names of a classifier's outputs
  std::int64_t num_labels = 0;  ///< outputs of a classifier; 0: as many as its file has
  std::string problem_type;     ///< sequence classification: what its scores mean; may be empty
  std::string cross_encoder_activation;  ///< a class of torch: logit to score of a cross-encoder

  /// Ids that the decoder reads and writes.
  std::int64_t target_vocab_size() const {
    return decoder_vocab_size > 0 ? decoder_vocab_size : vocab_size;
  }

  /// All members are equal.
  bool operator==(const TransformerConfig&) const = default;
};

}  // namespace llm
