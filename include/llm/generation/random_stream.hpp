/// \file
/// Random numbers from a counter, without state: Philox4x32-10 (Salmon et al., "Parallel random
/// numbers: as easy as 1, 2, 3", 2011). A number is a function of (seed, row, sample, step, draw),
/// so it depends neither on scheduling nor on the platform.
#pragma once

#include <array>
#include <cstdint>

namespace llm {

/// One block of the generator: 128 bits for a 128-bit counter and a 64-bit key.
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                               std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// The random numbers of one sample of one row.
class RandomStream {
 public:
  /// The stream of that seed, row and sample; all are different.
  RandomStream(std::uint64_t seed, std::uint64_t row, std::uint32_t sample) {
    const auto block = philox4x32({low(row), high(row), sample, 0}, {low(seed), high(seed)});
    key_ = {block[0], block[1]};
  }

  /// A number in [0, 1) with 53 random bits. `draw`: which of several numbers of one step.
  double uniform(std::uint64_t step, std::uint32_t draw = 0) const {
    const auto block = philox4x32({low(step), high(step), draw, 1}, key_);
    const std::uint64_t bits = (std::uint64_t{block[0]} << 32 | block[1]) >> 11;
    return static_cast<double>(bits) * 0x1p-53;
  }

 private:
  static std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
  static std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

  std::array<std::uint32_t, 2> key_;
};

}  // namespace llm
