/// \file
/// How near two embeddings are, and the nearest of many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llm {

/// How near two vectors are.
struct Similarity {
  double cosine = 0.0;  ///< 1: the same direction, 0: nothing in common; 0 for a vector of zeros
  double angle = 0.0;   ///< between the vectors, in degrees
  double l2 = 0.0;      ///< Euclidean distance
};

/// How near the vectors are. Throws Error (invalid_input) unless both have the same number of
/// values, all of them finite.
template <typename S>
Similarity similarity(std::span<const S> a, std::span<const S> b);

/// One of many vectors: its number, and how near it is.
struct Neighbour {
  std::uint64_t row = 0;  ///< its number
  Similarity similarity;  ///< to the query
};

/// Keeps the `count` vectors of the largest cosine with a query while all are shown to it once.
template <typename S>
class NearestNeighbours {
 public:
  /// `count`: how many to keep, at least 1.
  NearestNeighbours(std::vector<S> query, std::size_t count)
      : query_(std::move(query)), count_(count) {}

  /// Shows a vector. Throws Error as similarity().
  void add(std::uint64_t row, std::span<const S> vector);
  /// The nearest first; equally near ones in the order of their numbers.
  const std::vector<Neighbour>& nearest() const { return nearest_; }

 private:
  std::vector<S> query_;
  std::size_t count_;
  std::vector<Neighbour> nearest_;
};

extern template Similarity similarity(std::span<const float> a, std::span<const float> b);
extern template Similarity similarity(std::span<const double> a, std::span<const double> b);
extern template class NearestNeighbours<float>;
extern template class NearestNeighbours<double>;

}  // namespace llm
