#include "llm/core/thread_pool.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
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

using Clock = std::chrono::steady_clock;

std::int64_t nanoseconds_since(Clock::time_point start) {
  return std::chrono::nanoseconds(Clock::now() - start).count();
}

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` is no longer `old`: first by spinning (a hand-over costs well below a
// microsecond then), after about 50 us by sleeping, so that an idle pool takes no CPU time and a
// machine with more work than cores does not collapse. Returns the nanoseconds it took; 0 when
// there was no need to look at the clock.
std::int64_t wait_for_change(const std::atomic<int>& value, int old) {
  constexpr int spins_between_looks = 64;
  for (int i = 0; i < spins_between_looks; ++i) {
    if (value.load(std::memory_order_acquire) != old) return 0;
    relax();
  }
  constexpr auto spin_time = std::chrono::microseconds(50);
  const auto start = Clock::now();
  for (int i = 0; value.load(std::memory_order_acquire) == old; ++i) {
    if (i % spins_between_looks == 0 && Clock::now() - start > spin_time) {
      value.wait(old, std::memory_order_acquire);
    } else {
      relax();
    }
  }
  return nanoseconds_since(start);
}

// How many workers a region gets. With n workers of which one has lost its core, the others wait
// for it; when waiting takes more than a third of a region, fewer workers would have been faster.
// Then one worker less is taken for a time that is long against the loss, and longer each time that
// the next attempt fails, too.
class CrewSize {
 public:
  explicit CrewSize(int all) : all_(all), now_(all) {}

  int begin_region() {
    start_ = Clock::now();
    if (now_ < all_ && start_ >= rest_until_) {
      ++now_;
      lost_ = patience;  // the first bad region ends the attempt
    }
    return now_;
  }

  // `waited`: nanoseconds, of all workers together.
  void end_region(std::int64_t waited) {
    if (now_ == 1) return;
    const std::int64_t wait = waited / (now_ - 1);
    const std::int64_t loss = wait - nanoseconds_since(start_) / 3;
    lost_ = std::max<std::int64_t>(0, lost_ + loss);
    if (loss <= 0) {
      longer_ = std::max(1, longer_ / 2);
    } else if (lost_ > patience) {
      const std::int64_t rest = std::max(shortest_rest, 16 * wait) * longer_;
      rest_until_ = Clock::now() + std::chrono::nanoseconds(std::min(rest, longest_rest));
      longer_ = std::min(64, longer_ * 2);
      lost_ = 0;
      --now_;
    }
  }

 private:
  static constexpr std::int64_t patience = 1'000'000;  // nanoseconds, as all times here
  static constexpr std::int64_t shortest_rest = 10'000'000;
  static constexpr std::int64_t longest_rest = 1'000'000'000;

  const int all_;
  int now_;
  int longer_ = 1;
  std::int64_t lost_ = 0;
  Clock::time_point start_, rest_until_;
};

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
  } else if (const std::int64_t waited = wait_for_change(generation_, generation)) {
    waited_.fetch_add(waited, std::memory_order_relaxed);
  }
}

struct ThreadPool::State {
  explicit State(int n)
      : count(n), crew(n), barrier(n), helpers(new Helper[static_cast<std::size_t>(n - 1)]) {}

  // A thread of the pool; worker i + 1 is helpers[i].
  struct Helper {
    alignas(64) std::atomic<int> region{0};  // raised to start a region
    std::thread thread;
  };

  const int count;
  CrewSize crew;
  Barrier barrier;
  std::atomic_flag busy;  // set while some caller's region is running
  Function function = nullptr;
  void* context = nullptr;
  int workers = 1;  // of the present region
  bool stop = false;
  std::exception_ptr error;
  std::mutex error_mutex;
  alignas(64) std::atomic<int> running{0};  // helpers still inside the region
  std::unique_ptr<Helper[]> helpers;

  void work(int index) {
    try {
      function(context, Worker(index, workers, &barrier));
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  }

  void help(int index) {
    const std::atomic<int>& region = helpers[static_cast<std::size_t>(index - 1)].region;
    for (int seen = 0;; ++seen) {
      wait_for_change(region, seen);
      if (stop) return;
      work(index);
      if (running.fetch_sub(1, std::memory_order_acq_rel) == 1) running.notify_all();
    }
  }

  void start(int n) {
    for (int i = 1; i < n; ++i) {
      std::atomic<int>& region = helpers[static_cast<std::size_t>(i - 1)].region;
      region.fetch_add(1, std::memory_order_release);
      region.notify_one();
    }
  }

  // Runs `function` on the whole crew.
  void run() {
    workers = crew.begin_region();
    barrier.set_count(workers);
    running.store(workers - 1, std::memory_order_relaxed);
    start(workers);
    work(0);
    std::int64_t waited = 0;
    for (int left = running.load(std::memory_order_acquire); left != 0;
         left = running.load(std::memory_order_acquire)) {
      waited += wait_for_change(running, left);
    }
    crew.end_region(barrier.take_waited() + waited);
  }

  // `n`: how many workers have been started.
  void join(int n) {
    stop = true;
    start(n);
    for (int i = 1; i < n; ++i) helpers[static_cast<std::size_t>(i - 1)].thread.join();
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
  int started = 1;
  try {
    for (; started < state_->count; ++started) {
      state_->helpers[static_cast<std::size_t>(started - 1)].thread =
          std::thread([state = state_.get(), started] { state->help(started); });
    }
  } catch (const std::exception& e) {
    state_->join(started);
    throw Error(ErrorCode::out_of_memory,
                "cannot start " + std::to_string(state_->count) + " threads: " + e.what() +
                    "; ask for fewer",
                "threads");
  }
}

ThreadPool::~ThreadPool() { state_->join(state_->count); }

int ThreadPool::size() const { return state_->count; }

void ThreadPool::run_erased(Function function, void* context) {
  if (state_->count == 1 || state_->busy.test_and_set(std::memory_order_acquire)) {
    function(context, Worker(0, 1, nullptr));
    return;
  }
  state_->function = function;
  state_->context = context;
  state_->run();
  const std::exception_ptr error = std::exchange(state_->error, nullptr);
  state_->busy.clear(std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

}  // namespace llm
