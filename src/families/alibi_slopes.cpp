#include "families/alibi_slopes.hpp"

#include <cmath>

namespace llm::detail {

std::vector<double> alibi_slopes(std::int64_t heads) {
  std::int64_t power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<double> slopes;
  for (std::int64_t i = 1; i <= power; ++i) {
    slopes.push_back(std::pow(2.0, -8.0 * static_cast<double>(i) / static_cast<double>(power)));
  }
  for (std::int64_t i = 1; static_cast<std::int64_t>(slopes.size()) < heads; i += 2) {
    slopes.push_back(std::pow(2.0, -4.0 * static_cast<double>(i) / static_cast<double>(power)));
  }
  return slopes;
}

std::vector<double> interlaced_alibi_slopes(std::int64_t heads) {
  std::int64_t power = 1;
  while (power < heads) power *= 2;
  const auto slope = [&](std::int64_t i) {
    return std::pow(2.0, -8.0 * static_cast<double>(i) / static_cast<double>(power));
  };
  std::vector<double> slopes;
  const bool whole = power == heads;
  for (std::int64_t i = whole ? 1 : 2; i <= power; i += whole ? 1 : 2) slopes.push_back(slope(i));
  for (std::int64_t i = 1; static_cast<std::int64_t>(slopes.size()) < heads; i += 2) {
    slopes.push_back(slope(i));
  }
  return slopes;
}

}  // namespace llm::detail
