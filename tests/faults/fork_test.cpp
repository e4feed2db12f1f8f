// A process that forks after it loaded a model: the child has none of the threads, and what they
// held stays as it was. It computes the same, and it ends.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "faults/in_child.hpp"
#include "llm/core/thread_pool.hpp"
#include "llm/generation/generator.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "llm/model/model.hpp"
#include "support/paths.hpp"
#include "support/sanitized.hpp"

namespace llm::test::forks {
namespace {

std::string sum_in_pool(ThreadPool& pool) {
  std::vector<int> seen(static_cast<std::size_t>(pool.size()), 0);
  std::atomic<int> count = 0;
  pool.run([&](const Worker& worker) {
    seen[static_cast<std::size_t>(worker.index())] = 1;
    worker.sync();
    count = worker.count();
  });
  return std::accumulate(seen.begin(), seen.end(), 0) == count ? "" : "not all workers ran";
}

// Threads that use it until the end of the scope.
class Load {
 public:
  template <typename F>
  Load(int threads, const F& work) {
    for (int i = 0; i < threads; ++i)
      threads_.emplace_back([this, work] {
        while (!stop_) work();
      });
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

TEST(Fork, APoolStartsItsThreadsAnew) {
  if (is_thread_sanitized) GTEST_SKIP() << "the sanitizer allows no threads in a child";
  auto pool = std::make_unique<ThreadPool>(3);
  sum_in_pool(*pool);
  const Load load(2, [&] { sum_in_pool(*pool); });
  for (int i = 0; i < 100; ++i) {
    expect_in_child([&]() -> std::string {
      std::vector<std::thread> callers;
      std::atomic<int> wrong = 0;
      for (int caller = 0; caller < 3; ++caller)
        callers.emplace_back([&] { wrong += sum_in_pool(*pool).empty() ? 0 : 1; });
      for (std::thread& thread : callers) thread.join();
      if (i % 3 == 0) expect_in_child([&] { return sum_in_pool(*pool); });  // a child of its own
      pool.reset();
      return wrong == 0 && !testing::Test::HasFailure() ? "" : "wrong in the child";
    });
  }
}

TEST(Fork, APoolThatWasNotUsedInTheChildGoesThere) {
  auto pool = std::make_unique<ThreadPool>(4);
  sum_in_pool(*pool);
  const Load load(1, [&] { sum_in_pool(*pool); });
  for (int i = 0; i < 50; ++i) {
    expect_in_child([&]() -> std::string {
      pool.reset();
      return "";
    });
  }
}

class ForkedModel : public testing::TestWithParam<const char*> {};

TEST_P(ForkedModel, GeneratesTheSame) {
  if (is_thread_sanitized) GTEST_SKIP() << "the sanitizer allows no threads in a child";
  auto model = Model<float>::load(models_dir() / GetParam(), {.threads = 3});
  const std::vector<TokenId> prompt = {5, 17, 40, 8, 3, 2};
  GenerationConfig config = model_generation_config(models_dir() / GetParam(), model->config());
  config.max_new_tokens = 12;
  const auto answer = [&] { return Generator<float>(*model).generate(prompt, config).new_ids; };
  const std::vector<TokenId> expected = answer();
  const Load load(2, [&] { answer(); });
  for (int i = 0; i < 50; ++i) {
    expect_in_child([&]() -> std::string {
      if (i % 2 == 0 && answer() != expected) return "the child answers something else";
      model.reset();
      return "";
    });
  }
}

// With rotary positions, with biases that are made once, and with relative ones.
INSTANTIATE_TEST_SUITE_P(Models, ForkedModel, testing::Values("llama-gqa", "bloom-lm", "t5-v1_0"));

}  // namespace
}  // namespace llm::test::forks
