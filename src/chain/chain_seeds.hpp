// Seeds of a chain's values: each depends on the seed, the step's name, the run's row, the element
// and the round, and on nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "llm/generation/random_stream.hpp"

namespace llm::detail {

inline std::uint64_t mixed_seed(std::uint64_t seed, std::array<std::uint32_t, 4> counter) {
  const auto block = philox4x32(
      counter, {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return std::uint64_t{block[0]} << 32 | block[1];
}

// Of a step, whose own seed is not given.
inline std::uint64_t step_seed(std::uint64_t seed, std::string_view name) {
  std::uint64_t digest = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : name)
    digest = (digest ^ static_cast<unsigned char>(c)) * std::uint64_t{0x100000001b3};
  return mixed_seed(
      seed, {static_cast<std::uint32_t>(digest), static_cast<std::uint32_t>(digest >> 32), 0, 0});
}

// Of one value; the first of the first row has the step's own seed, as a command has.
inline std::uint64_t value_seed(std::uint64_t seed, std::uint64_t row, std::uint64_t element,
                                std::uint64_t round) {
  if (row == 0 && element == 0 && round == 0) return seed;
  return mixed_seed(seed, {static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32),
                           static_cast<std::uint32_t>(element), static_cast<std::uint32_t>(round)});
}

}  // namespace llm::detail
