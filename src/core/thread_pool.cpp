#include "llm/core/thread_pool.hpp"

#include <sched.h>

#include <chrono>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "llm/core/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llm {
namespace {

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` is no longer `old`: first by spinning (a hand-over costs well below a
// microsecond then), after about 50 us by sleeping, so that an idle pool takes no CPU time and a
// machine with more work than cores does not collapse.
void wait_for_change(const std::atomic<int>& value, int old) {
  constexpr auto spin_time = std::chrono::microseconds(50);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; value.load(std::memory_order_acquire) == old; ++i) {
    if (i % 64 == 63 && std::chrono::steady_clock::now() - start > spin_time) {
      value.wait(old, std::memory_order_acquire);
    } else {
      relax();
    }
  }
}

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

void Barrier::wait() {
  const int generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == count_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
  } else {
    wait_for_change(generation_, generation);
  }
}

struct ThreadPool::State {
  explicit State(int n) : count(n), barrier(n) {}

  const int count;
  Barrier barrier;
  std::atomic_flag busy;  // set while some caller's region is running
  Function function = nullptr;
  void* context = nullptr;
  bool stop = false;
  std::exception_ptr error;
  std::mutex error_mutex;
  alignas(64) std::atomic<int> region{0};   // raised to start a region
  alignas(64) std::atomic<int> running{0};  // helpers still inside it
  std::vector<std::thread> threads;

  void work(int index) {
    try {
      function(context, Worker(index, count, &barrier));
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  void helper(int index) {
    for (int seen = 0;; ++seen) {
      wait_for_change(region, seen);
      if (stop) return;
      work(index);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_all();
    }
  }

  void start() {
    region.fetch_add(1, std::memory_order_release);
    region.notify_all();
  }

  void join() {
    stop = true;
    start();
    for (std::thread& thread : threads) thread.join();
  }
};

ThreadPool::ThreadPool(int threads) {
  constexpr int max_threads = 1024;
  if (threads < 0 || threads > max_threads) {
    throw Error(ErrorCode::invalid_option,
                "threads: expected 0 (all cores) to 1024, got " + std::to_string(threads),
                "threads");
  }
  state_ = std::make_unique<State>(threads > 0 ? threads : std::max(1, usable_cores()));
  try {
    for (int i = 1; i < state_->count; ++i) {
      state_->threads.emplace_back([state = state_.get(), i] { state->helper(i); });
    }
  } catch (const std::exception& e) {
    state_->join();
    throw Error(ErrorCode::out_of_memory,
                "cannot start " + std::to_string(state_->count) + " threads: " + e.what() +
                    "; ask for fewer",
                "threads");
  }
}

ThreadPool::~ThreadPool() { state_->join(); }

int ThreadPool::size() const { return state_->count; }

void ThreadPool::run_erased(Function function, void* context) {
  if (state_->count == 1 || state_->busy.test_and_set(std::memory_order_acquire)) {
    function(context, Worker(0, 1, nullptr));
    return;
  }
  state_->function = function;
  state_->context = context;
  state_->running.store(state_->count - 1, std::memory_order_relaxed);
  state_->start();
  state_->work(0);
  for (int left = state_->running.load(std::memory_order_acquire); left != 0;
       left = state_->running.load(std::memory_order_acquire)) {
    wait_for_change(state_->running, left);
  }
  const std::exception_ptr error = std::exchange(state_->error, nullptr);
  state_->busy.clear(std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

}  // namespace llm
