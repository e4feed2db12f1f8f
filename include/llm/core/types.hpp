/// \file
/// Small types that the whole library shares.
#pragma once

#include <cstdint>

namespace llm {

/// A token's number in the vocabulary.
using TokenId = std::int32_t;

/// Half-open range of indices.
struct Range {
  std::int64_t begin = 0;  ///< the first index
  std::int64_t end = 0;    ///< one behind the last index
  /// How many indices.
  std::int64_t size() const { return end - begin; }
};

}  // namespace llm
