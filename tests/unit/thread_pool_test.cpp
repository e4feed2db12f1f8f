// The thread pool: shares, meeting points, nesting, several callers, exceptions.
#include "llm/core/thread_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "llm/core/error.hpp"
#include "support/catch_error.hpp"

namespace llm {
namespace {

// Regions as short as these may get fewer workers than the pool has, when the machine is busy.
TEST(ThreadPool, EveryWorkerRunsOnce) {
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (int round = 0; round < 50; ++round) {
      std::vector<int> ran(static_cast<std::size_t>(threads), 0);
      const std::thread::id caller = std::this_thread::get_id();
      std::atomic<std::size_t> count{0};
      pool.run([&](const Worker& worker) {
        EXPECT_LE(worker.count(), threads);
        EXPECT_EQ(worker.index() == 0, std::this_thread::get_id() == caller);
        ++ran[static_cast<std::size_t>(worker.index())];
        count = static_cast<std::size_t>(worker.count());
      });
      std::vector<int> expected(ran.size(), 0);
      std::fill_n(expected.begin(), count.load(), 1);
      EXPECT_EQ(ran, expected);
    }
  }
}

TEST(ThreadPool, ZeroThreadsMeansTheCoresOfThisProcess) { EXPECT_GE(ThreadPool(0).size(), 1); }

TEST(ThreadPool, RefusesImpossibleNumbers) {
  for (const int threads : {-1, 1025}) {
    test::expect_error(ErrorCode::invalid_option, "threads", [&] { ThreadPool pool(threads); });
  }
}

TEST(ThreadPool, SharesCoverEverythingOnce) {
  for (const int count : {1, 2, 3, 7}) {
    for (const std::int64_t n : {0, 1, 2, 6, 7, 100}) {
      std::int64_t end = 0;
      for (int i = 0; i < count; ++i) {
        const Range share = Worker(i, count, nullptr).share(n);
        EXPECT_EQ(share.begin, end);
        EXPECT_LE(share.size(), (n + count - 1) / count);
        end = share.end;
      }
      EXPECT_EQ(end, n);
    }
  }
}

// Each step reads what all others wrote in the step before.
TEST(ThreadPool, SyncMakesWritesVisible) {
  constexpr int threads = 3, steps = 300;
  ThreadPool pool(threads);
  std::vector<int> value(threads, 0);
  pool.run([&](const Worker& worker) {
    for (int step = 1; step <= steps; ++step) {
      value[static_cast<std::size_t>(worker.index())] = step;
      worker.sync();
      EXPECT_EQ(std::accumulate(value.begin(), value.end(), 0), threads * step);
      worker.sync();
    }
  });
}

TEST(ThreadPool, ARegionInsideARegionRunsOnItsCaller) {
  ThreadPool pool(3);
  std::atomic<int> inner{0};
  pool.run([&](const Worker&) {
    pool.run([&](const Worker& worker) {
      EXPECT_EQ(worker.count(), 1);
      worker.sync();
      inner += static_cast<int>(worker.share(10).size());
    });
  });
  EXPECT_EQ(inner, 30);
}

TEST(ThreadPool, SeveralCallersAtOnce) {
  ThreadPool pool(2), other(2);
  std::atomic<std::int64_t> sum{0};
  const auto caller = [&](ThreadPool& mine) {
    for (int i = 0; i < 200; ++i) {
      mine.run([&](const Worker& worker) { sum += worker.share(10).size(); });
    }
  };
  std::thread a(caller, std::ref(pool)), b(caller, std::ref(pool)), c(caller, std::ref(other));
  a.join();
  b.join();
  c.join();
  EXPECT_EQ(sum, 3 * 200 * 10);
}

TEST(ThreadPool, RethrowsAnExceptionAndWorksOn) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (int thrower = 0; thrower < threads; ++thrower) {
      std::atomic<int> ran{0}, count{0};
      EXPECT_THROW(pool.run([&](const Worker& worker) {
        ++ran;
        count = worker.count();
        if (worker.index() == thrower % worker.count()) throw std::runtime_error("no");
      }),
                   std::runtime_error);
      EXPECT_EQ(ran, count);
      ran = 0;
      pool.run([&](const Worker& worker) {
        ++ran;
        count = worker.count();
      });
      EXPECT_EQ(ran, count);
    }
  }
}

// After a pause longer than the spinning the helpers sleep; they must wake up again.
TEST(ThreadPool, WakesUpAfterAPause) {
  ThreadPool pool(2);
  for (int i = 0; i < 5; ++i) {
    std::atomic<int> ran{0}, count{0};
    pool.run([&](const Worker& worker) {
      if (worker.index() == 1) std::this_thread::sleep_for(std::chrono::microseconds(200));
      worker.sync();
      ++ran;
      count = worker.count();
    });
    EXPECT_EQ(ran, count);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

// A worker that is late again and again is done without; later it is asked again.
TEST(ThreadPool, DoesWithoutAWorkerThatComesLate) {
  ThreadPool pool(2);
  int alone = 0;
  const auto region = [&](const Worker& worker) {
    if (worker.index() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(3));
    worker.sync();
    if (worker.count() == 1) ++alone;
  };
  for (int i = 0; i < 20; ++i) pool.run(region);
  EXPECT_GE(alone, 15);
  std::atomic<bool> both{false};
  for (int i = 0; i < 400 && !both; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pool.run([&](const Worker& worker) {
      if (worker.count() == 2) both = true;
    });
  }
  EXPECT_TRUE(both);
}

}  // namespace
}  // namespace llm
