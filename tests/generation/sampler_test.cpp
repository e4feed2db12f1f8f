// The random stream, and draws against the exact distribution.
#include "llm/generation/sampler.hpp"

#include <cmath>

namespace llm {
namespace {

// Known answers of Philox4x32-10, from the authors' library.
TEST(RandomStream, PhiloxKnownAnswers) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, EveryPartOfTheAddressCounts) {
  const double base = RandomStream(1, 2, 3).uniform(4, 5);
  EXPECT_EQ(RandomStream(1, 2, 3).uniform(4, 5), base);
  EXPECT_NE(RandomStream(9, 2, 3).uniform(4, 5), base);
  EXPECT_NE(RandomStream(1 + (1ull << 40), 2, 3).uniform(4, 5), base);
  EXPECT_NE(RandomStream(1, 9, 3).uniform(4, 5), base);
  EXPECT_NE(RandomStream(1, 2 + (1ull << 40), 3).uniform(4, 5), base);
  EXPECT_NE(RandomStream(1, 2, 9).uniform(4, 5), base);
  EXPECT_NE(RandomStream(1, 2, 3).uniform(9, 5), base);
  EXPECT_NE(RandomStream(1, 2, 3).uniform(4, 9), base);
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  const std::vector<float> scores{1, 3, NAN, 3, 2};
  EXPECT_EQ(choose_greedy(std::span(scores))->id, 1);
  const std::vector<float> none{-INFINITY, NAN};
  EXPECT_FALSE(choose_greedy(std::span(none)));
  EXPECT_FALSE(draw_token(std::span(none), 0.5));
}

TEST(Sampler, InverseOfTheDistribution) {
  const std::vector<double> scores{std::log(0.25), -INFINITY, std::log(0.5), std::log(0.25)};
  const auto at = [&](double u) { return draw_token(std::span(scores), u)->id; };
  EXPECT_EQ(at(0.0), 0);
  EXPECT_EQ(at(0.2499), 0);
  EXPECT_EQ(at(0.2501), 2);
  EXPECT_EQ(at(0.7499), 2);
  EXPECT_EQ(at(0.7501), 3);
  EXPECT_EQ(at(std::nextafter(1.0, 0.0)), 3);
  EXPECT_DOUBLE_EQ(draw_token(std::span(scores), 0.3)->probability, 0.5);
  const std::vector<double> vanishing{0.0, -2000.0};  // exp(-2000) is 0
  EXPECT_EQ(draw_token(std::span(vanishing), std::nextafter(1.0, 0.0))->id, 0);
}

double chi_square(const std::vector<int>& counts, const std::vector<double>& probability, int n) {
  double sum = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = probability[i] * n;
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

std::vector<double> softmax(const std::vector<double>& scores) {
  std::vector<double> p;
  double total = 0.0;
  for (const double s : scores) total += std::exp(s);
  for (const double s : scores) p.push_back(std::exp(s) / total);
  return p;
}

// Draws over rows, samples and steps; 99.9% bound of chi-square with 7 degrees of freedom.
TEST(Sampler, FollowsTheDistribution) {
  const std::vector<double> scores{0.3, -1.0, 2.0, 0.0, 1.1, -2.5, 0.7, -0.4};
  const auto p = softmax(scores);
  constexpr int n = 40000;
  for (int mode = 0; mode < 3; ++mode) {
    std::vector<int> counts(scores.size());
    for (std::uint32_t i = 0; i < n; ++i) {
      const RandomStream random(7, mode == 0 ? i : 5, mode == 1 ? i : 0);
      const double u = random.uniform(mode == 2 ? i : 0);
      ++counts[static_cast<std::size_t>(draw_token(std::span(scores), u)->id)];
    }
    EXPECT_LT(chi_square(counts, p, n), 24.3) << mode;
  }
}

// Two consecutive steps are independent: 16 cells, 99.9% bound with 15 degrees of freedom.
TEST(Sampler, StepsAreIndependent) {
  const std::vector<double> scores{0.0, 0.5, 1.0, -0.5};
  const auto p = softmax(scores);
  constexpr int n = 40000;
  std::vector<int> counts(16);
  std::vector<double> joint(16);
  for (std::uint32_t row = 0; row < n; ++row) {
    const RandomStream random(11, row, 0);
    const auto first = draw_token(std::span(scores), random.uniform(0))->id;
    const auto second = draw_token(std::span(scores), random.uniform(1))->id;
    ++counts[static_cast<std::size_t>(4 * first + second)];
  }
  for (std::size_t i = 0; i < 16; ++i) joint[i] = p[i / 4] * p[i % 4];
  EXPECT_LT(chi_square(counts, joint, n), 37.7);
}

// Ordered pairs without replacement: p(a) p(b) / (1 - p(a)); 12 cells, 11 degrees of freedom.
TEST(Sampler, WithoutReplacement) {
  const std::vector<double> scores{0.0, 0.5, 1.0, -0.5};
  const auto p = softmax(scores);
  constexpr int n = 40000;
  std::vector<int> counts;
  std::vector<double> joint;
  std::vector<std::vector<int>> cell(4, std::vector<int>(4));
  for (std::uint32_t row = 0; row < n; ++row) {
    const auto drawn = draw_without_replacement(std::span(scores), 2, RandomStream(3, row, 0), 0);
    ASSERT_EQ(drawn.size(), 2u);
    ++cell[drawn[0]][drawn[1]];
  }
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = 0; b < 4; ++b) {
      if (a == b) {
        EXPECT_EQ(cell[a][b], 0);
      } else {
        counts.push_back(cell[a][b]);
        joint.push_back(p[a] * p[b] / (1 - p[a]));
      }
    }
  }
  EXPECT_LT(chi_square(counts, joint, n), 31.3);
}

TEST(Sampler, WithoutReplacementBeyondTheCandidates) {
  const std::vector<double> scores{-INFINITY, 0.0, -5000.0, -INFINITY, -4000.0};
  const auto drawn = draw_without_replacement(std::span(scores), 5, RandomStream(3, 1, 0), 0);
  EXPECT_EQ(drawn, (std::vector<std::size_t>{1, 4, 2, 0, 3}));
}

TEST(Observer, TopCandidates) {
  const std::vector<float> scores{0, 2, -INFINITY, 2, 1};
  const auto top = top_scores(std::span(scores), 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].id, 1);
  EXPECT_EQ(top[1].id, 3);
  EXPECT_EQ(top[2].id, 4);
  double sum = 0.0;
  for (const Candidate& candidate : top_probabilities(std::span(scores), 10))
    sum += candidate.value;
  EXPECT_NEAR(sum, 1.0, 1e-6);  // the sum is that of the float kernels
}

}  // namespace
}  // namespace llm
