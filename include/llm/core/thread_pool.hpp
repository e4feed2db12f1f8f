/// \file
/// Threads for a forward pass. A pass is one parallel region: every worker runs the same function,
/// takes a fixed share of each step, and waits for the others at sync().
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "llm/core/types.hpp"

namespace llm {

/// Where the workers of one region wait for each other.
class Barrier {
 public:
  /// `count`: how many workers meet.
  explicit Barrier(int count) : count_(count) {}
  /// Returns when all workers have arrived. Spins briefly, then sleeps.
  void wait();
  /// Sets the number of workers of the next region. Call it while nobody waits.
  void set_count(int count) { count_ = count; }

 private:
  int count_;
  std::atomic<std::int64_t> released_{0};  // when the last meeting ended, for those who slept
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> generation_{0};
};

/// One worker of a region. The thread that called ThreadPool::run() is worker 0.
class Worker {
 public:
  /// `barrier` may be null when `count` is 1.
  Worker(int index, int count, Barrier* barrier)
      : index_(index), count_(count), barrier_(barrier) {}
  int index() const { return index_; }  ///< from 0 to count() - 1
  int count() const { return count_; }  ///< workers in the region
  /// Waits for all other workers. What they wrote before is visible afterwards.
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

/// A fixed set of threads. May be used from several threads at once and from inside a region: when
/// the pool is busy, the caller does all the work (results never depend on the number of workers).
/// After a region the threads spin for a few tens of microseconds, then sleep.
///
/// When another process takes a worker's core, all other workers wait for it at every sync(). After
/// a region in which that happened the pool uses one worker fewer for a while, so that more threads
/// are never slower than fewer for long.
///
/// A child of fork() has none of the threads: the pool starts new ones there before its first
/// region. Do not fork inside a region.
class ThreadPool {
 public:
  /// The largest size of a pool.
  static constexpr int max_threads = 1024;

  /// `threads` >= 1 counts the caller; 0 means one per core this process may use. Throws Error
  /// (invalid_option beyond max_threads; out_of_memory when the system starts no more threads).
  explicit ThreadPool(int threads = 0);
  /// Ends the threads. No region may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Threads, the caller included.
  int size() const;

  /// Calls f(const Worker&) on 1 to size() workers and returns when all are done. If a worker
  /// throws, the first exception is rethrown here when all have ended. Throw before the first
  /// sync() or not at all: otherwise the other workers would wait for ever.
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
