// The layers of decoders that were trained with fairseq: OPT, BioGPT, XGLM.
#pragma once

#include "model/model_family.hpp"

namespace llm::detail {

// `self_attn` with its projections, `fc1`, `fc2`, and the norms `self_attn_layer_norm` and
// `final_layer_norm`; projections have biases if StackConfig::attention_bias is set.
BlockSource bind_fairseq_block(const WeightBinder& w, const StackConfig& d);

}  // namespace llm::detail
