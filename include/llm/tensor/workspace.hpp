/// \file
/// Scratch memory of one generation, reused by every step: after the first tokens nothing is
/// allocated any more.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "llm/core/buffer.hpp"

namespace llm {

/// Numbered slots of raw memory that only grow, and what ends the work early. Belongs to one caller
/// at a time.
class Workspace {
 public:
  /// At least `count` elements of T, 64-byte aligned, content unspecified. Valid until the slot is
  /// asked for a larger count. Throws Error (out_of_memory).
  template <typename T>
  T* get(std::size_t slot, std::int64_t count) {
    if (slot >= slots_.size()) slots_.resize(slot + 1);
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (slots_[slot].size() < bytes) {
      slots_[slot] = Buffer();  // first release, then allocate
      slots_[slot] = Buffer(bytes + bytes / 4);
    }
    return reinterpret_cast<T*>(slots_[slot].data());
  }

  /// A slot that was asked for before; may be called by several threads at once.
  template <typename T>
  T* peek(std::size_t slot) {
    return reinterpret_cast<T*>(slots_[slot].data());
  }

  /// Once the flag is set a pass over many tokens ends with an Error (interrupted); sequences are
  /// then as they were. Null: nothing ends it. The flag must outlive the workspace.
  void set_interrupt(const std::atomic<bool>* interrupt) { interrupt_ = interrupt; }
  const std::atomic<bool>* interrupt() const { return interrupt_; }

 private:
  const std::atomic<bool>* interrupt_ = nullptr;
  std::vector<Buffer> slots_;
};

}  // namespace llm
