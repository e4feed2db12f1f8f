/// \file
/// Scratch memory of one generation, reused by every step: after the first tokens nothing large is
/// allocated any more.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "llm/core/buffer.hpp"
#include "llm/tensor/tensor.hpp"

namespace llm {

/// Memory that is taken piece by piece and released all at once. Belongs to one caller at a time,
/// and carries the flag that interrupts this caller's passes.
class Workspace {
 public:
  /// `count` elements of T, 64-byte aligned, content unspecified; valid until release(). Throws
  /// Error (out_of_memory).
  template <typename T>
  std::span<T> take(std::int64_t count) {
    const auto elements = static_cast<std::size_t>(count);
    return {reinterpret_cast<T*>(take_bytes(elements * sizeof(T))), elements};
  }
  /// A matrix [rows, cols], as take() of its elements.
  template <typename T>
  TensorView<T> take(std::int64_t rows, std::int64_t cols) {
    return {take<T>(rows * cols).data(), rows, cols};
  }

  /// Everything taken so far may be used again.
  void release() {
    block_ = 0;
    used_ = 0;
  }

  /// Once the flag is set, a pass over many tokens ends with an Error (interrupted); the sequences
  /// are then as they were. Null: passes are not interrupted. The flag must outlive the workspace.
  void set_interrupt(const std::atomic<bool>* interrupt) { interrupt_ = interrupt; }
  /// The flag that set_interrupt() set, or null.
  const std::atomic<bool>* interrupt() const { return interrupt_; }

 private:
  std::byte* take_bytes(std::size_t bytes) {
    constexpr std::size_t alignment = 64, least_block = 64 << 10;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    while (block_ < blocks_.size() && blocks_[block_].size() - used_ < bytes) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {  // a share of what there is, so that blocks stay few
      blocks_.push_back(Buffer(std::max({bytes, least_block, total_ / 4 / alignment * alignment})));
      total_ += blocks_.back().size();
    }
    return blocks_[block_].data() + std::exchange(used_, used_ + bytes);
  }

  const std::atomic<bool>* interrupt_ = nullptr;
  std::vector<Buffer> blocks_;
  std::size_t block_ = 0;  // the one that is being taken from
  std::size_t used_ = 0;   // bytes of it
  std::size_t total_ = 0;  // bytes of all
};

}  // namespace llm
