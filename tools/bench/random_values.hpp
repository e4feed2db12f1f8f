// Normally distributed values, quickly: draws from a table, the same in each run.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace llm::bench {

inline std::vector<float> random_normal(std::int64_t count, float deviation) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> table(1 << 16);
  for (float& value : table) value = normal(random);
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint64_t state = 1;
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = table[state >> 48];
  }
  return values;
}

}  // namespace llm::bench
