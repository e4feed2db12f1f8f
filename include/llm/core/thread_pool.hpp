/// \file
/// Threads for one forward pass: one parallel region per pass, inside it every worker runs the same
/// function, takes its static share of each step and meets the others at sync().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace llm {

/// Half-open range of indices.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
};

/// Meeting point of the workers of one region.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  /// Returns when all workers have arrived. Spins briefly, then sleeps.
  void wait();
  /// For the next region; while nobody waits.
  void set_count(int count) { count_ = count; }

 private:
  int count_;
  std::atomic<std::int64_t> released_{0};  // when the last meeting ended, for those who slept
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> generation_{0};
};

/// What a worker knows of itself inside a region. The caller of the region is worker 0.
class Worker {
 public:
  Worker(int index, int count, Barrier* barrier)
      : index_(index), count_(count), barrier_(barrier) {}
  int index() const { return index_; }
  int count() const { return count_; }
  /// Waits for all other workers; everything they wrote before is visible after.
  void sync() const {
    if (count_ > 1) barrier_->wait();
  }
  /// This worker's contiguous part of `n` items.
  Range share(std::int64_t n) const { return {n * index_ / count_, n * (index_ + 1) / count_}; }

 private:
  int index_;
  int count_;
  Barrier* barrier_;
};

/// A fixed set of threads. Safe to use from several threads at once and from inside a region: when
/// the pool is busy, the caller does the work alone (results never depend on the number of
/// workers). Threads spin for a few tens of microseconds after a region, then sleep.
///
/// A worker whose core is taken by another process makes all others wait at every meeting. Regions
/// in which that happens are followed by a while with one worker less, so that more threads are
/// never slower than fewer for long.
///
/// After fork() the child has none of the threads: the pool starts its own there before the first
/// region. The fork must not happen inside a region.
class ThreadPool {
 public:
  static constexpr int max_threads = 1024;

  /// `threads` >= 1 counts the caller; 0 means one per core this process may use. Throws Error
  /// (invalid_option beyond max_threads; out_of_memory when the system starts no more threads).
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /// Calls f(const Worker&) on 1 to size() workers and returns when all are done. If a worker
  /// throws, the first exception is rethrown here after all have ended; a worker that throws must
  /// not leave others waiting at a sync(), so throw before the first sync() or not at all.
  template <typename F>
  void run(F&& f) {
    using Fn = std::remove_reference_t<F>;
    run_erased([](void* context, const Worker& w) { (*static_cast<Fn*>(context))(w); },
               const_cast<void*>(static_cast<const void*>(std::addressof(f))));
  }

 private:
  using Function = void (*)(void* context, const Worker& worker);
  void run_erased(Function function, void* context);
  struct State;
  State& state_here();
  std::atomic<State*> state_;
};

}  // namespace llm
