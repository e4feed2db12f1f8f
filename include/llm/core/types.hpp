/// \file
/// Small types that the whole library shares.
#pragma once

#include <cstdint>

namespace llm {

/// A token's number in the vocabulary.
using TokenId = std::int32_t;

}  // namespace llm
