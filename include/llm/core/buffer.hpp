/// \file
/// Raw memory for tensors and weights: 64-byte aligned, in pages of 2 MiB where it is large and the
/// system grants them.
#pragma once

#include <cstddef>
#include <utility>

namespace llm {

/// A block of bytes that it owns: movable, not copyable, filled with zeros.
class Buffer {
 public:
  Buffer() = default;
  /// Throws Error (out_of_memory).
  explicit Buffer(std::size_t bytes);
  /// Leaves `other` empty.
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  /// Swaps the two.
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer();

  std::byte* data() { return data_; }              ///< 64-byte aligned; null when empty
  const std::byte* data() const { return data_; }  ///< 64-byte aligned; null when empty
  std::size_t size() const { return size_; }       ///< bytes

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace llm
