/// \file
/// What an encoder reads, and what a stack shows of its inner states (for `verify`).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/tensor/tensor.hpp"

namespace llm {

/// One text for an encoder.
struct EncoderInput {
  std::span<const TokenId> ids;            ///< at least one
  std::span<const std::int32_t> type_ids;  ///< token types, one per id; empty: all 0
};

/// Copies of the residual stream for `verify`: [rows, hidden] after the embeddings and after each
/// layer, the last one after the final norm.
template <typename S>
struct Taps {
  std::vector<Tensor<S>> hidden_states;  ///< one more than there are layers
};

}  // namespace llm
