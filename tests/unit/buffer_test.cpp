// Blocks of memory: aligned, zero, movable, and an error instead of a crash when there is none.
#include "llm/core/buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>

#include "llm/core/error.hpp"
#include "support/catch_error.hpp"

namespace llm {
namespace {

TEST(Buffer, IsAlignedAndZero) {
  for (const std::size_t bytes : {1u, 63u, 64u, 100u, 4096u, 2u << 20, (2u << 20) + 1}) {
    Buffer buffer(bytes);
    ASSERT_EQ(buffer.size(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + bytes,
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill(buffer.data(), buffer.data() + bytes, std::byte{1});
  }
}

TEST(Buffer, MayBeEmpty) {
  EXPECT_EQ(Buffer().size(), 0u);
  EXPECT_EQ(Buffer(0).data(), nullptr);
}

TEST(Buffer, MovesItsMemory) {
  Buffer a(100);
  const std::byte* data = a.data();
  Buffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  Buffer c(7);
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.size(), 100u);
}

// Large ones are cut out of more than they need.
TEST(Buffer, LeavesNoAddressesBehind) {
  const auto mapped_pages = [] {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
  };
  constexpr std::size_t bytes = 3u << 20;
  { Buffer first(bytes); }
  const std::size_t before = mapped_pages();
  for (int i = 0; i < 100; ++i) Buffer buffer(bytes);
  EXPECT_LE(mapped_pages(), before + bytes / 4096);
}

TEST(Buffer, RefusesWhatDoesNotExist) {
  for (const std::size_t bytes :
       {std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max() / 2}) {
    test::expect_error(ErrorCode::out_of_memory, "MiB", [&] { Buffer buffer(bytes); });
  }
}

}  // namespace
}  // namespace llm
