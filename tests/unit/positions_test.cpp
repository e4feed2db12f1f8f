#include "llm/tensor/positions.hpp"

#include <cmath>
#include <vector>

namespace {

// Values of `_relative_position_bucket` (transformers, modeling_t5.py) with 32 buckets, distance
// 128.
TEST(RelativeBuckets, MatchTheReference) {
  struct Row {
    std::int64_t distance, both, past;
  };
  for (const Row& r : std::vector<Row>{
           {0, 0, 0},     {1, 17, 0},     {-1, 1, 1},     {7, 23, 0},     {8, 24, 0},
           {-8, 8, 8},    {-11, 8, 11},   {-12, 9, 12},   {-15, 9, 15},   {-16, 10, 16},
           {-17, 10, 16}, {-31, 11, 21},  {-32, 12, 21},  {63, 29, 0},    {64, 30, 0},
           {-64, 14, 26}, {-100, 15, 30}, {-127, 15, 31}, {-128, 15, 31}, {500, 31, 0},
           {-500, 15, 31}}) {
    EXPECT_EQ(llm::relative_position_bucket(r.distance, 32, 128, true), r.both) << r.distance;
    EXPECT_EQ(llm::relative_position_bucket(r.distance, 32, 128, false), r.past) << r.distance;
  }
}

TEST(Rotary, KeepsLengthsAndTurnsByPosition) {
  const std::vector<double> frequencies{1.0, 0.25};
  std::vector<double> angles(4);
  llm::rotary_angles(frequencies, 1.0, 3, std::span(angles));
  const std::vector<double> x{1.0, 2.0, 0.5, -1.0, 9.0};  // the last element is not rotated
  std::vector<double> y(5);
  llm::rotate(x, angles, std::span(y));
  EXPECT_DOUBLE_EQ(y[0], 1.0 * std::cos(3.0) - 0.5 * std::sin(3.0));
  EXPECT_DOUBLE_EQ(y[2], 0.5 * std::cos(3.0) + 1.0 * std::sin(3.0));
  EXPECT_DOUBLE_EQ(y[1], 2.0 * std::cos(0.75) + 1.0 * std::sin(0.75));
  EXPECT_EQ(y[4], 9.0);
}

TEST(Sinusoidal, SinesThenCosines) {
  std::vector<double> v(5);
  llm::sinusoidal_vector(2, std::span(v));
  EXPECT_DOUBLE_EQ(v[0], std::sin(2.0));
  EXPECT_DOUBLE_EQ(v[3], std::cos(2.0));
  EXPECT_DOUBLE_EQ(v[1], std::sin(2.0 / std::pow(10000.0, 0.4)));
  EXPECT_DOUBLE_EQ(v[2], std::sin(2.0 / std::pow(10000.0, 0.8)));
}

}  // namespace
