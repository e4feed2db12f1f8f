/// \file
/// Raw storage of tensors and weights: 64-byte aligned, large blocks in 2 MiB pages where the
/// system grants them.
#pragma once

#include <cstddef>
#include <utility>

namespace llm {

/// Owning, movable, zero-initialised block of bytes. Throws Error (out_of_memory).
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes);
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace llm
