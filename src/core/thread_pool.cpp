#include "llm/core/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/float_environment.hpp"
#include "llm/core/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llm {
namespace {

// Nanoseconds.
std::int64_t clock_value(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}
std::int64_t now() { return clock_value(CLOCK_MONOTONIC); }
// Processor time of this thread.
std::int64_t thread_time() { return clock_value(CLOCK_THREAD_CPUTIME_ID); }

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Nanoseconds that this thread has slept at barriers that others had not reached.
thread_local std::int64_t slept = 0;

// Waits until `value` is no longer `old`. Spins first (a hand-over then takes far less than a
// microsecond), and sleeps after about 50 us, so that an idle pool takes no CPU time and a machine
// with more work than cores does not collapse. `released`: when the change was made, as far as that
// is known.
void wait_for_change(const std::atomic<int>& value, int old,
                     const std::atomic<std::int64_t>* released = nullptr) {
  constexpr int spins_between_looks = 64;
  constexpr std::int64_t spin_time = 50'000;
  std::int64_t start = 0;
  for (int i = 1; value.load(std::memory_order_acquire) == old; ++i) {
    relax();
    if (i % spins_between_looks != 0) continue;
    const std::int64_t time = now();
    if (start == 0) start = time;
    if (time - start < spin_time) continue;
    value.wait(old, std::memory_order_acquire);
    if (released) {
      const std::int64_t end = released->load(std::memory_order_relaxed);
      slept += std::max<std::int64_t>(0, end - time);
    }
  }
}

// How many workers a region gets. A worker that has lost its core to another process makes all
// others wait; when a third of a region is lost in this way, fewer workers would have been faster.
// Then one worker fewer is used, for a time that is long compared with the loss, and longer each
// time the next attempt fails too.
class CrewSize {
 public:
  explicit CrewSize(int all) : all_(all), now_(all) {}

  // `time`: when the region begins.
  int begin_region(std::int64_t time) {
    if (now_ < all_ && time >= rest_until_) {
      ++now_;
      lost_ = patience;  // the first bad region ends the attempt
    }
    return now_;
  }

  // `duration` of the region; `late`: the longest time that a worker did not run.
  void end_region(std::int64_t duration, std::int64_t late) {
    if (now_ == 1) return;
    const std::int64_t loss = late - duration / 3;
    lost_ = std::max<std::int64_t>(0, lost_ + loss);
    if (loss <= 0) {
      longer_ = std::max(1, longer_ / 2);
    } else if (lost_ > patience) {
      const std::int64_t rest = std::max(shortest_rest, 16 * std::min(late, duration)) * longer_;
      rest_until_ = now() + std::min(rest, longest_rest);
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
  std::int64_t rest_until_ = 0;
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
    released_.store(now(), std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
  } else {
    wait_for_change(generation_, generation, &released_);
  }
}

struct ThreadPool::State {
  explicit State(int n)
      : count(n), crew(n), barrier(n), helpers(new Helper[static_cast<std::size_t>(n - 1)]) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  // A child of fork() has no threads, so there is nothing to join there.
  ~State() {
    if (is_of_this_process()) join();
  }

  // A thread of the pool; worker i + 1 is helpers[i].
  struct Helper {
    alignas(64) std::atomic<int> region{0};  // raised to start a region
    State* state = nullptr;
    int index = 0;
    pthread_t thread{};  // not std::thread: that could not be destroyed in a child of fork()
  };

  const int count;
  const pid_t process = ::getpid();
  CrewSize crew;
  Barrier barrier;
  std::atomic_flag busy;  // set while a caller's region is running
  Function function = nullptr;
  void* context = nullptr;
  int workers = 1;  // of the current region
  int started_helpers = 0;
  bool stop = false;
  std::exception_ptr error;
  std::mutex error_mutex;
  std::int64_t started = 0;                 // when the current region began
  alignas(64) std::atomic<int> running{0};  // helpers that are still inside the region
  std::atomic<std::int64_t> late{0};        // of this region; see CrewSize::end_region()
  std::unique_ptr<Helper[]> helpers;
  std::unique_ptr<State>
      inherited;  // the state of the process that forked; other threads may still look at it

  bool is_of_this_process() const { return process == ::getpid(); }

  void start_helpers() {
    for (; started_helpers < count - 1; ++started_helpers) {
      Helper& helper = helpers[static_cast<std::size_t>(started_helpers)];
      helper.state = this;
      helper.index = started_helpers + 1;
      constexpr auto enter = [](void* self) -> void* {
        const detail::FloatEnvironment environment;
        const auto* const me = static_cast<const Helper*>(self);
        me->state->help(me->index);
        return nullptr;
      };
      if (const int reason = ::pthread_create(&helper.thread, nullptr, enter, &helper); reason != 0)
        throw Error(ErrorCode::out_of_memory,
                    "cannot start " + std::to_string(count) +
                        " threads: " + std::generic_category().message(reason) + "; ask for fewer",
                    "threads");
    }
  }

  void work(int index) {
    const std::int64_t ran = thread_time();
    slept = 0;
    try {
      function(context, Worker(index, workers, &barrier));
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
    const std::int64_t kept_away = now() - started - (thread_time() - ran) - slept;
    for (std::int64_t most = late.load(std::memory_order_relaxed); most < kept_away;) {
      if (late.compare_exchange_weak(most, kept_away, std::memory_order_relaxed)) break;
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

  // Runs `function` on all workers.
  void run() {
    started = now();
    workers = crew.begin_region(started);
    barrier.set_count(workers);
    running.store(workers - 1, std::memory_order_relaxed);
    late.store(0, std::memory_order_relaxed);
    start(workers);
    work(0);
    for (int left = running.load(std::memory_order_acquire); left != 0;
         left = running.load(std::memory_order_acquire)) {
      wait_for_change(running, left);
    }
    crew.end_region(now() - started, late.load(std::memory_order_relaxed));
  }

  void join() {
    stop = true;
    start(started_helpers + 1);
    for (int i = 0; i < started_helpers; ++i)
      ::pthread_join(helpers[static_cast<std::size_t>(i)].thread, nullptr);
  }
};

ThreadPool::ThreadPool(int threads) {
  if (threads < 0 || threads > max_threads) {
    throw Error(ErrorCode::invalid_option,
                "threads: expected 0 (all cores) to " + std::to_string(max_threads) + ", got " +
                    std::to_string(threads),
                "threads");
  }
  const int cores = std::clamp(usable_cores(), 1, max_threads);
  auto state = std::make_unique<State>(threads > 0 ? threads : cores);
  state->start_helpers();
  state_ = state.release();
}

ThreadPool::~ThreadPool() { delete state_.load(); }

int ThreadPool::size() const { return state_.load(std::memory_order_acquire)->count; }

// The state whose threads belong to this process. A child of fork() makes a new one: the old one
// may have been in the middle of a region.
ThreadPool::State& ThreadPool::state_here() {
  State* state = state_.load(std::memory_order_acquire);
  while (!state->is_of_this_process()) {
    auto own = std::make_unique<State>(state->count);
    own->start_helpers();
    if (!state_.compare_exchange_strong(state, own.get(), std::memory_order_acq_rel)) continue;
    own->inherited.reset(state);
    return *own.release();
  }
  return *state;
}

void ThreadPool::run_erased(Function function, void* context) {
  const detail::FloatEnvironment environment;
  State& state = state_here();
  if (state.count == 1 || state.busy.test_and_set(std::memory_order_acquire)) {
    function(context, Worker(0, 1, nullptr));
    return;
  }
  state.function = function;
  state.context = context;
  state.run();
  const std::exception_ptr error = std::exchange(state.error, nullptr);
  state.busy.clear(std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

}  // namespace llm
