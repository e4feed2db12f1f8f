// Distances between embeddings, in double whatever they are made of.
#include "llm/tasks/similarity.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "core/float_environment.hpp"
#include "llm/core/error.hpp"

namespace llm {

template <typename S>
Similarity similarity(std::span<const S> a, std::span<const S> b) {
  const detail::FloatEnvironment environment;
  if (a.size() != b.size()) {
    throw Error(ErrorCode::invalid_input, "embeddings of " + std::to_string(a.size()) + " and " +
                                              std::to_string(b.size()) +
                                              " values cannot be compared");
  }
  double product = 0.0, squares_a = 0.0, squares_b = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    product += x * y;
    squares_a += x * x;
    squares_b += y * y;
    squares += (x - y) * (x - y);
  }
  const double length_a = std::sqrt(squares_a), length_b = std::sqrt(squares_b);
  if (!std::isfinite(length_a + length_b + squares)) {
    throw Error(ErrorCode::invalid_input,
                "embeddings whose values or lengths are no finite numbers cannot be compared");
  }
  constexpr double right_angle = 90.0;
  if (length_a == 0.0 || length_b == 0.0) return {0.0, right_angle, std::sqrt(squares)};
  // The arc cosine is inexact for small angles; this is exact for all. (W. Kahan)
  double difference = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]) / length_a;
    const double y = static_cast<double>(b[i]) / length_b;
    difference += (x - y) * (x - y);
    sum += (x + y) * (x + y);
  }
  const double angle = 2.0 * std::atan2(std::sqrt(difference), std::sqrt(sum));
  return {std::clamp(product / (length_a * length_b), -1.0, 1.0), angle * 180.0 / std::numbers::pi,
          std::sqrt(squares)};
}

template <typename S>
void NearestNeighbours<S>::add(std::uint64_t row, std::span<const S> vector) {
  const Neighbour neighbour{row, similarity(std::span<const S>(query_), vector)};
  const auto place = std::upper_bound(nearest_.begin(), nearest_.end(), neighbour,
                                      [](const Neighbour& a, const Neighbour& b) {
                                        const double x = a.similarity.cosine;
                                        const double y = b.similarity.cosine;
                                        return x != y ? x > y : a.row < b.row;
                                      });
  nearest_.insert(place, neighbour);
  if (nearest_.size() > count_) nearest_.pop_back();
}

template Similarity similarity(std::span<const float> a, std::span<const float> b);
template Similarity similarity(std::span<const double> a, std::span<const double> b);
template class NearestNeighbours<float>;
template class NearestNeighbours<double>;

}  // namespace llm
