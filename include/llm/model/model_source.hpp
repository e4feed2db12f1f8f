/// \file
/// Where each layer finds its weights: plain slots. A family fills them by name, the loader makes
/// layers of them. Order and names are those of nn/.
#pragma once

#include <vector>

#include "llm/tensor/kernels.hpp"
#include "llm/weights/weight_binder.hpp"

namespace llm {

/// The weights of an attention sublayer.
struct AttentionSource {
  LinearSource in;      ///< self-attention: query, key, value; cross-attention: query
  LinearSource source;  ///< cross-attention: key, value of the source
  LinearSource out;     ///< of all heads together to hidden
  /// Of the queries: as wide as a head, with one row for all heads or one for each, or as wide as
  /// all heads together; null when there is none.
  NormSource query_norm;
  NormSource key_norm;  ///< the same of the keys
  // DisentangledAttention only, where the scores are: projections of the vectors of distances;
  // empty: those of the keys, and of the queries, in `in`.
  LinearSource position_key;    ///< keys of distances
  LinearSource position_query;  ///< queries of distances
};

/// The weights of a feed-forward sublayer.
struct FeedForwardSource {
  LinearSource gate;  ///< empty when it is not gated
  LinearSource up;    ///< hidden to intermediate
  LinearSource down;  ///< intermediate to hidden
};

/// The weights of a layer.
struct BlockSource {
  /// Of self-attention, where StackConfig::norm_placement says; null: none (OLMo 2), or with
  /// parallel sublayers that of the other one.
  NormSource attention_norm;
  NormSource cross_attention_norm;  ///< the same of cross-attention; decoders with a source only
  NormSource feed_forward_norm;     ///< the same of feed-forward
  NormSource attention_out_norm;    ///< of what self-attention adds to the residual stream, or null
  NormSource feed_forward_out_norm;  ///< of what feed-forward adds to it, or null
  AttentionSource attention;         ///< self-attention
  AttentionSource cross_attention;   ///< decoders with a source only
  FeedForwardSource feed_forward;    ///< the last sublayer
};

/// The weights of an encoder or decoder without its head.
struct StackSource {
  const FileTensor* tokens = nullptr;     ///< [vocab, embedding]
  const FileTensor* positions = nullptr;  ///< [positions, embedding], learned positions only
  const FileTensor* types = nullptr;      ///< [types, embedding], token types only
  NormSource embedding_norm;              ///< null when there is none
  LinearSource embedding_projection;      ///< embedding to hidden; empty when they are equal
  NormSource final_norm;                  ///< null when there is none
  /// RelativeBias only: [buckets, heads] for all layers, or one such table for each.
  std::vector<const FileTensor*> relative_bias;
  const FileTensor* relative_positions =
      nullptr;                      ///< [2 * span, hidden], DisentangledAttention only
  NormSource relative_norm;         ///< of these; may be null
  LinearSource convolution;         ///< one part, [hidden, hidden, width]; empty when there is none
  NormSource convolution_norm;      ///< after it
  std::vector<BlockSource> blocks;  ///< the layers, first to last
};

/// Which tokens of a text a head reads.
enum class HeadRows : std::uint8_t {
  all,            ///< every token
  first,          ///< the first token
  mean,           ///< the mean of all hidden states
  mean_logits,    ///< every token, and then the mean of what comes out
  last_unpadded,  ///< the last token that is not padding
  last_eos        ///< the last end-of-sequence token, which must be there
};

/// A head: out(norm(activation(dense(x)))); dense and norm may be empty.
struct HeadSource {
  LinearSource dense;                        ///< hidden to hidden; may be empty
  Activation activation = Activation::tanh;  ///< after dense
  NormSource norm;                           ///< may be null
  LinearSource out;                          ///< to labels or the vocabulary
  HeadRows rows = HeadRows::all;             ///< what it reads

  /// Whether there is no such head.
  bool empty() const { return dense.empty() && out.empty(); }
};

/// The weights of a model.
struct ModelSource {
  StackSource encoder;  ///< empty for a decoder
  StackSource decoder;  ///< empty for an encoder
  /// The LM head; its weight may be the token embedding (tied). Empty: the checkpoint has none.
  LinearSource lm_head;
  HeadSource head;    ///< for TransformerConfig::head other than language_model
  HeadSource pooler;  ///< of the first token of an encoder without a head (BERT); no `out`
};

}  // namespace llm
