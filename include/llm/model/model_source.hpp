/// \file
/// Where each layer of a model finds its weights: plain slots that a family fills by name and the
/// loader turns into layers. Order and names follow nn/.
#pragma once

#include <vector>

#include "llm/tensor/kernels.hpp"
#include "llm/weights/weight_binder.hpp"

namespace llm {

struct AttentionSource {
  LinearSource in;      ///< self: query, key, value; cross: query
  LinearSource source;  ///< cross: key, value of the source
  LinearSource out;
  NormSource query_norm, key_norm;  ///< per head; null when there is none
};

struct FeedForwardSource {
  LinearSource gate, up, down;
};

struct BlockSource {
  NormSource attention_norm, cross_attention_norm, feed_forward_norm;
  AttentionSource attention, cross_attention;
  FeedForwardSource feed_forward;
};

struct StackSource {
  const FileTensor* tokens = nullptr;     ///< [vocab, hidden]
  const FileTensor* positions = nullptr;  ///< [positions, hidden], learned positions only
  const FileTensor* types = nullptr;      ///< [types, hidden], segments only
  NormSource embedding_norm, final_norm;  ///< null when there is none
  /// RelativeBias only: [buckets, heads] for all layers, or one such table for each.
  std::vector<const FileTensor*> relative_bias;
  std::vector<BlockSource> blocks;
};

/// Rows of a text that a head reads.
enum class HeadRows : std::uint8_t {
  all,
  first,
  last_unpadded,  ///< the last token that is no padding
  last_eos        ///< the last end-of-sequence token, which must be there
};

/// A head: out(norm(activation(dense(x)))); dense and norm may be empty.
struct HeadSource {
  LinearSource dense;
  Activation activation = Activation::tanh;  ///< after dense
  NormSource norm;
  LinearSource out;
  HeadRows rows = HeadRows::all;

  bool empty() const { return dense.empty() && out.empty(); }
};

struct ModelSource {
  StackSource encoder, decoder;
  /// LM head; its weight may be the token embedding itself (tied). Empty: the checkpoint has none.
  LinearSource lm_head;
  HeadSource head;    ///< for TransformerConfig::head other than language_model
  HeadSource pooler;  ///< what a bare encoder makes of its first token (BERT); no `out`
};

}  // namespace llm
