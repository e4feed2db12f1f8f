/// \file
/// Small types that every station of the line shares.
#pragma once

#include <cstdint>

namespace llm {

/// A token's number in the vocabulary.
using TokenId = std::int32_t;

}  // namespace llm
