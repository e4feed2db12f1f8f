#include "llm/nn/kv_cache.hpp"

#include <vector>

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
        cache.write(position, l, h, data.data(), data.data());
      }
    }
  }
  cache.advance(count);
}

float key(const Cache& cache, std::int64_t position) {
  return cache.keys(position / 64, 1, 2)[4 * 64 + position % 64];
}
float value(const Cache& cache, std::int64_t position) {
  return cache.values(position / 64, 1, 2)[position % 64 * 16 + 4];
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

}  // namespace
