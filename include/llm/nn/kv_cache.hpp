/// \file
/// Keys and values of one sequence, for all layers, in pages of 64 positions. Pages are reference
/// counted and copied on write, so forks (beams, samples, a shared few-shot prefix) share them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "llm/core/buffer.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm {

/// Positions per page: the attention kernels' tile, at absolute positions.
inline constexpr std::int64_t kv_page_positions = 64;

struct KVShape {
  std::int64_t layers = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool operator==(const KVShape&) const = default;
};

/// Not thread-safe itself; two caches that share pages may be used by two threads.
/// During a parallel region workers write disjoint (position, head) entries of reserved pages.
template <typename S>
class KVCache {
 public:
  explicit KVCache(KVShape shape) : shape_(shape) {}

  const KVShape& shape() const { return shape_; }
  std::int64_t length() const { return length_; }

  /// A cache with the same content; shares all pages.
  KVCache fork() const { return *this; }

  /// Forgets positions >= length (no-op when there are none).
  void truncate(std::int64_t length) {
    length_ = std::min(length_, length);
    pages_.erase(pages_.begin() + pages_for(length_), pages_.end());
  }

  /// Makes positions [length(), length() + count) writable: adds pages, and takes a private copy of
  /// the last page when it is shared. Throws Error (out_of_memory); the cache is then unchanged.
  void reserve(std::int64_t count) {
    const std::int64_t used = length_ % kv_page_positions;
    std::vector<Page> fresh;
    const bool own_last = used != 0 && count > 0 && !pages_.back().unique();
    if (own_last) fresh.push_back(copy(pages_.back(), used));
    const auto kept = static_cast<std::int64_t>(pages_.size()) - (own_last ? 1 : 0);
    while (kept + static_cast<std::int64_t>(fresh.size()) < pages_for(length_ + count)) {
      fresh.push_back(Page(page_bytes()));
    }
    pages_.reserve(static_cast<std::size_t>(kept) + fresh.size());
    if (own_last) pages_.pop_back();
    for (Page& page : fresh) pages_.push_back(std::move(page));
  }
  /// Counts reserved positions that have been written.
  void advance(std::int64_t count) { length_ += count; }

  /// Keys of a page, transposed: [head_dim][64].
  S* keys(std::int64_t page, std::int64_t layer, std::int64_t head) const {
    return at(page) + entry_offset(layer, head);
  }
  /// Values of a page: [64][padded_head_dim].
  S* values(std::int64_t page, std::int64_t layer, std::int64_t head) const {
    return keys(page, layer, head) + shape_.head_dim * kv_page_positions;
  }

  /// Stores one position's key and value (head_dim values each) in reserved space.
  void write(std::int64_t position, std::int64_t layer, std::int64_t head, const S* key,
             const S* value) const {
    const std::int64_t page = position / kv_page_positions, slot = position % kv_page_positions;
    S* k = keys(page, layer, head) + slot;
    for (std::int64_t d = 0; d < shape_.head_dim; ++d) k[d * kv_page_positions] = key[d];
    std::copy_n(value, shape_.head_dim, values(page, layer, head) + slot * value_stride());
  }

 private:
  // A reference-counted block. Its own counter instead of shared_ptr's, because "am I the only
  // owner?" must be an acquire load before the page is written.
  class Page {
   public:
    explicit Page(std::int64_t bytes)
        : block_(new Block{Buffer(static_cast<std::size_t>(bytes))}) {}
    Page(const Page& other) : block_(other.block_) {
      block_->owners.fetch_add(1, std::memory_order_relaxed);
    }
    Page(Page&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Page& operator=(Page other) noexcept {
      std::swap(block_, other.block_);
      return *this;
    }
    ~Page() {
      if (block_ && block_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete block_;
    }
    bool unique() const { return block_->owners.load(std::memory_order_acquire) == 1; }
    S* data() const { return reinterpret_cast<S*>(block_->buffer.data()); }

   private:
    struct Block {
      Buffer buffer;
      std::atomic<std::int64_t> owners{1};
    };
    Block* block_;
  };

  static std::int64_t pages_for(std::int64_t positions) {
    return (positions + kv_page_positions - 1) / kv_page_positions;
  }
  std::int64_t value_stride() const { return detail::padded_head_dim(shape_.head_dim); }
  std::int64_t entry_size() const {  // keys and values of one layer and head
    return (shape_.head_dim + value_stride()) * kv_page_positions;
  }
  std::int64_t entry_offset(std::int64_t layer, std::int64_t head) const {
    return (layer * shape_.kv_heads + head) * entry_size();
  }
  std::int64_t page_bytes() const {
    return entry_offset(shape_.layers, 0) * static_cast<std::int64_t>(sizeof(S));
  }
  S* at(std::int64_t page) const { return pages_[static_cast<std::size_t>(page)].data(); }

  // The first `used` positions of a page.
  Page copy(const Page& source, std::int64_t used) const {
    Page result(page_bytes());
    const std::int64_t key_size = shape_.head_dim * kv_page_positions;
    for (std::int64_t e = 0; e < shape_.layers * shape_.kv_heads; ++e) {
      const S* from = source.data() + e * entry_size();
      S* to = result.data() + e * entry_size();
      for (std::int64_t d = 0; d < shape_.head_dim; ++d) {
        std::copy_n(from + d * kv_page_positions, used, to + d * kv_page_positions);
      }
      std::copy_n(from + key_size, used * value_stride(), to + key_size);
    }
    return result;
  }

  KVShape shape_;
  std::int64_t length_ = 0;
  std::vector<Page> pages_;
};

}  // namespace llm
