#include "llm/nn/kv_cache.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/float16.hpp"

namespace {

using Cache = llm::KVCache<float>;
constexpr llm::KVShape shape{2, 3, 5};

// Appends positions whose key and value are all `value` + position.
void append(Cache& cache, std::int64_t count, float value) {
  cache.reserve(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t position = cache.length() + i;
    const std::vector<float> data(5, value + static_cast<float>(position));
    for (std::int64_t l = 0; l < shape.layers; ++l) {
      for (std::int64_t h = 0; h < shape.kv_heads; ++h) {
        cache.write(position, l, h, data, data);
      }
    }
  }
  cache.advance(count);
}

float key(const Cache& cache, std::int64_t position) {
  return static_cast<float*>(cache.keys(position / 64, 1, 2))[4 * 64 + position % 64];
}
float value(const Cache& cache, std::int64_t position) {
  return static_cast<float*>(cache.values(position / 64, 1, 2))[position % 64 * 16 + 4];
}

TEST(KVCache, StoresAcrossPages) {
  Cache cache(shape);
  append(cache, 150, 0.0f);
  EXPECT_EQ(cache.length(), 150);
  for (const std::int64_t p : {0, 63, 64, 127, 128, 149}) {
    EXPECT_EQ(key(cache, p), static_cast<float>(p));
    EXPECT_EQ(value(cache, p), static_cast<float>(p));
  }
}

TEST(KVCache, ForkSharesUntilOneWrites) {
  Cache trunk(shape);
  append(trunk, 70, 0.0f);
  Cache fork = trunk.fork();
  EXPECT_EQ(fork.keys(1, 0, 0), trunk.keys(1, 0, 0));
  append(fork, 10, 1000.0f);
  EXPECT_EQ(fork.keys(0, 0, 0), trunk.keys(0, 0, 0)) << "a full page stays shared";
  EXPECT_NE(fork.keys(1, 0, 0), trunk.keys(1, 0, 0)) << "a page that is written is copied";
  append(trunk, 10, 2000.0f);
  EXPECT_EQ(key(fork, 69), 69.0f);
  EXPECT_EQ(value(fork, 69), 69.0f);
  EXPECT_EQ(key(fork, 70), 1070.0f);
  EXPECT_EQ(key(trunk, 70), 2070.0f);
}

TEST(KVCache, TruncateInsideASharedPage) {
  Cache trunk(shape);
  append(trunk, 130, 0.0f);
  Cache fork = trunk.fork();
  fork.truncate(65);
  append(fork, 3, 500.0f);
  EXPECT_EQ(fork.length(), 68);
  EXPECT_EQ(key(fork, 64), 64.0f);
  EXPECT_EQ(key(fork, 65), 565.0f);
  EXPECT_EQ(key(trunk, 65), 65.0f);
  fork.truncate(0);
  append(fork, 1, 7.0f);
  EXPECT_EQ(key(fork, 0), 7.0f);
  EXPECT_EQ(key(trunk, 0), 0.0f);
}

TEST(KVCache, TruncateToMoreIsNothing) {
  Cache cache(shape);
  append(cache, 10, 0.0f);
  cache.truncate(20);
  EXPECT_EQ(cache.length(), 10);
}

// Pages of bf16: pairs of dimensions of keys, pairs of positions of values; forks copy them whole.
TEST(KVCache, PairsOfBf16) {
  const llm::KVShape pairs{2, 3, 5, llm::KVType::bf16};
  Cache trunk(pairs);
  ASSERT_TRUE(trunk.is_bf16());
  append(trunk, 69, 0.0f);
  Cache fork = trunk.fork();
  append(fork, 10, 1000.0f);
  append(trunk, 1, 2000.0f);
  const auto half = [](void* entry, std::int64_t i) {
    return llm::detail::bf16_to_float(static_cast<std::uint16_t*>(entry)[i]);
  };
  for (const std::int64_t p : {0, 1, 62, 63, 64, 67, 68, 69}) {
    const float expected = static_cast<float>(p) + (p == 69 ? 1000.0f : 0.0f);
    const float rounded = llm::detail::bf16_to_float(llm::detail::double_to_bf16(expected));
    EXPECT_EQ(half(fork.keys(p / 64, 1, 2), (4 / 2 * 64 + p % 64) * 2), rounded) << p;
    EXPECT_EQ(half(fork.values(p / 64, 1, 2), (p % 64 / 2 * 16 + 4) * 2 + p % 2), rounded) << p;
  }
  EXPECT_EQ(half(trunk.keys(1, 1, 2), (4 / 2 * 64 + 5) * 2), 2064.0f);
}

// Beside `double` the same rounding, in the layout of `double`.
TEST(KVCache, DoublesAreRoundedToo) {
  llm::KVCache<double> cache({1, 1, 2, llm::KVType::bf16});
  cache.reserve(1);
  const double key[] = {1.0 / 3, -7.0}, value[] = {1e-3, 257.0};
  cache.write(0, 0, 0, key, value);
  const auto rounded = [](double x) {
    return static_cast<double>(llm::detail::bf16_to_float(llm::detail::double_to_bf16(x)));
  };
  EXPECT_EQ(static_cast<double*>(cache.keys(0, 0, 0))[0], rounded(1.0 / 3));
  EXPECT_EQ(static_cast<double*>(cache.keys(0, 0, 0))[64], -7.0);
  EXPECT_EQ(static_cast<double*>(cache.values(0, 0, 0))[0], rounded(1e-3));
  EXPECT_EQ(static_cast<double*>(cache.values(0, 0, 0))[1], 256.0);
}

TEST(KVCache, RoundsToBf16AsFilesDo) {
  for (const float value : {0.0f, -0.0f, 1.0f, 1.00390625f, 1.01171875f, -3.3e38f, 3.4028e38f,
                            1e-40f, std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(llm::detail::round_to_bf16(value), llm::detail::double_to_bf16(value)) << value;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(llm::detail::bf16_to_float(llm::detail::round_to_bf16(nan))));
}

TEST(KVCache, PagesAreUsedAgain) {
  const auto pool = Cache::page_pool(shape);
  const void* first;
  {
    Cache cache(shape, pool);
    append(cache, 3, 0.0f);
    first = cache.keys(0, 0, 0);
  }
  Cache next(shape, pool);
  append(next, 1, 5.0f);
  EXPECT_EQ(next.keys(0, 0, 0), first);
  EXPECT_EQ(key(next, 0), 5.0f);
}

}  // namespace
