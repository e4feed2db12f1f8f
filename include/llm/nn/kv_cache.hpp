/// \file
/// Keys and values of one sequence, for all layers, in pages of 64 positions. Pages are reference
/// counted and copied on write, so forks (beams, samples, a shared few-shot prefix) share them, and
/// used again by later sequences.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "llm/core/buffer.hpp"
#include "llm/core/dtype.hpp"
#include "llm/tensor/kernels.hpp"

namespace llm {

/// Positions per page: the attention kernels' tile, at absolute positions.
inline constexpr std::int64_t kv_page_positions = 64;

/// What a cache keeps of each position.
struct KVShape {
  std::int64_t layers = 0;     ///< whose keys and values are kept; an encoder needs only two
  std::int64_t kv_heads = 0;   ///< key/value heads of a layer
  std::int64_t head_dim = 0;   ///< width of a key, and of a value
  KVType type = KVType::full;  ///< how they are kept
  /// Equal shapes mean pages of one layout.
  bool operator==(const KVShape&) const = default;
};

namespace detail {

/// The bf16 nearest to `value`; NaN stays one.
inline std::uint16_t round_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// Where the keys and values of one layer and head lie in a page, in units: one number, or a pair
/// of bf16.
template <typename S>
struct KVEntry {
  explicit KVEntry(const KVShape& shape)
      : is_bf16(shape.type == KVType::bf16 && std::is_same_v<S, float>),
        key_rows(is_bf16 ? (shape.head_dim + 1) / 2 : shape.head_dim),
        value_rows(is_bf16 ? kv_page_positions / 2 : kv_page_positions),
        value_stride(padded_head_dim(shape.head_dim)) {}

  std::int64_t key_bytes() const { return key_rows * kv_page_positions * unit; }
  std::int64_t bytes() const { return key_bytes() + value_rows * value_stride * unit; }

  static constexpr std::int64_t unit = sizeof(S);  // two bf16 are as large as a float
  bool is_bf16;
  std::int64_t key_rows;    // of 64 units
  std::int64_t value_rows;  // of value_stride units
  std::int64_t value_stride;
};

}  // namespace detail

/// The pages of many caches of one shape. Pages that no cache uses any more wait here until one
/// needs them again; they are not cleared. Thread-safe.
class KVPagePool {
 public:
  /// `bytes` is the size of a page.
  explicit KVPagePool(std::size_t bytes) : bytes_(bytes) {
    constexpr std::size_t kept_bytes = std::size_t{128} << 20, most_kept = 1024;
    kept_ = std::clamp<std::size_t>(kept_bytes / std::max<std::size_t>(bytes, 1), 1, most_kept);
    waiting_.reserve(kept_);
  }

  /// A page, its content unspecified. Throws Error (out_of_memory).
  Buffer take() {
    if (const std::unique_lock lock(mutex_, std::try_to_lock); lock && !waiting_.empty()) {
      Buffer page = std::move(waiting_.back());
      waiting_.pop_back();
      return page;
    }
    return Buffer(bytes_);
  }
  /// Keeps the page, or frees it when many are waiting already or another thread is here.
  void give(Buffer page) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && waiting_.size() < kept_) waiting_.push_back(std::move(page));
  }

 private:
  std::size_t bytes_;
  std::size_t kept_;
  std::mutex mutex_;
  std::vector<Buffer> waiting_;
};

/// The keys and values of one sequence or of one source, for all layers of a KVShape. A cache is
/// for one thread at a time, but caches that share pages may be used by different threads. In a
/// parallel region the workers write disjoint (position, head) entries of reserved pages.
template <typename S>
class KVCache {
 public:
  /// An empty cache with pages of its own.
  explicit KVCache(KVShape shape) : KVCache(shape, page_pool(shape)) {}
  /// `pool` must come from page_pool() of the same shape.
  KVCache(KVShape shape, std::shared_ptr<KVPagePool> pool)
      : shape_(shape), entry_(shape), pool_(std::move(pool)) {}

  /// A pool of pages for caches of a shape.
  static std::shared_ptr<KVPagePool> page_pool(const KVShape& shape) {
    const std::int64_t entries = shape.layers * shape.kv_heads;
    const std::int64_t bytes = entries * detail::KVEntry<S>(shape).bytes();
    return std::make_shared<KVPagePool>(static_cast<std::size_t>(bytes));
  }

  /// What the cache keeps of each position.
  const KVShape& shape() const { return shape_; }
  /// Number of positions.
  std::int64_t length() const { return length_; }

  /// A cache with the same content; shares all pages.
  KVCache fork() const { return *this; }

  /// Forgets the positions from `length` on, if there are any.
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
      fresh.push_back(Page(pool_));
    }
    pages_.reserve(static_cast<std::size_t>(kept) + fresh.size());
    if (own_last) pages_.pop_back();
    for (Page& page : fresh) pages_.push_back(std::move(page));
  }
  /// Adds `count` positions, reserved and written before, to length().
  void advance(std::int64_t count) { length_ += count; }

  /// Whether pages hold pairs of bf16; see detail::AttendArgs for the layout of pages.
  bool is_bf16() const { return entry_.is_bf16; }
  /// Keys of a page, transposed: [head_dim][64].
  void* keys(std::int64_t page, std::int64_t layer, std::int64_t head) const {
    return entry(page, layer, head);
  }
  /// Values of a page: [64][padded_head_dim].
  void* values(std::int64_t page, std::int64_t layer, std::int64_t head) const {
    return entry(page, layer, head) + entry_.key_bytes();
  }

  /// Stores one position's key and value (head_dim values each) in reserved space.
  void write(std::int64_t position, std::int64_t layer, std::int64_t head, std::span<const S> key,
             std::span<const S> value) const {
    assert(std::ssize(key) == shape_.head_dim && std::ssize(value) == shape_.head_dim);
    const std::int64_t page = position / kv_page_positions, slot = position % kv_page_positions;
    void* const to_keys = keys(page, layer, head);
    void* const to_values = values(page, layer, head);
    if constexpr (std::is_same_v<S, float>) {
      if (entry_.is_bf16) return write_pairs(slot, key, value, to_keys, to_values);
    }
    S* k = static_cast<S*>(to_keys) + slot;
    S* v = static_cast<S*>(to_values) + slot * entry_.value_stride;
    if (shape_.type == KVType::bf16) return write_rounded(key, value, k, v);
    for (std::size_t d = 0; d < key.size(); ++d) k[d * kv_page_positions] = key[d];
    std::ranges::copy(value, v);
  }

 private:
  // A reference-counted block. Its own counter instead of shared_ptr's, because "am I the only
  // owner?" must be an acquire load before the page is written.
  class Page {
   public:
    explicit Page(std::shared_ptr<KVPagePool> pool) : block_(new Block{pool->take(), pool}) {}
    Page(const Page& other) : block_(other.block_) {
      block_->owners.fetch_add(1, std::memory_order_relaxed);
    }
    Page(Page&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
    Page& operator=(Page other) noexcept {
      std::swap(block_, other.block_);
      return *this;
    }
    ~Page() {
      if (!block_ || block_->owners.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      block_->pool->give(std::move(block_->buffer));
      delete block_;
    }
    bool unique() const { return block_->owners.load(std::memory_order_acquire) == 1; }
    std::byte* data() const { return block_->buffer.data(); }

   private:
    struct Block {
      Buffer buffer;
      std::shared_ptr<KVPagePool> pool;
      std::atomic<std::int64_t> owners{1};
    };
    Block* block_;
  };

  static std::int64_t pages_for(std::int64_t positions) {
    return (positions + kv_page_positions - 1) / kv_page_positions;
  }
  std::byte* entry(std::int64_t page, std::int64_t layer, std::int64_t head) const {
    return pages_[static_cast<std::size_t>(page)].data() +
           (layer * shape_.kv_heads + head) * entry_.bytes();
  }

  // For pages that do not hold bf16: rounds to bf16 and keeps the value as an S.
  void write_rounded(std::span<const S> key, std::span<const S> value, S* k, S* v) const {
    const auto round = [](S number) {
      const std::uint32_t bits = detail::round_to_bf16(static_cast<float>(number));
      return static_cast<S>(std::bit_cast<float>(bits << 16));
    };
    for (std::size_t d = 0; d < key.size(); ++d) {
      k[d * kv_page_positions] = round(key[d]);
      v[d] = round(value[d]);
    }
  }

  void write_pairs(std::int64_t slot, std::span<const S> key, std::span<const S> value, void* keys,
                   void* values) const {
    auto* k = static_cast<std::uint16_t*>(keys) + slot * 2;
    auto* v = static_cast<std::uint16_t*>(values) + slot / 2 * entry_.value_stride * 2 + slot % 2;
    for (std::size_t d = 0; d < key.size(); ++d) {
      k[d / 2 * kv_page_positions * 2 + d % 2] = detail::round_to_bf16(key[d]);
      v[d * 2] = detail::round_to_bf16(value[d]);
    }
  }

  // The first `used` positions of a page.
  Page copy(const Page& source, std::int64_t used) const {
    Page result(pool_);
    const std::int64_t row = kv_page_positions * entry_.unit, used_bytes = used * entry_.unit;
    const std::int64_t value_rows = entry_.is_bf16 ? (used + 1) / 2 : used;
    for (std::int64_t e = 0; e < shape_.layers * shape_.kv_heads; ++e) {
      const std::byte* from = source.data() + e * entry_.bytes();
      std::byte* to = result.data() + e * entry_.bytes();
      for (std::int64_t d = 0; d < entry_.key_rows; ++d) {
        std::copy_n(from + d * row, used_bytes, to + d * row);
      }
      std::copy_n(from + entry_.key_bytes(), value_rows * entry_.value_stride * entry_.unit,
                  to + entry_.key_bytes());
    }
    return result;
  }

  KVShape shape_;
  detail::KVEntry<S> entry_;
  std::shared_ptr<KVPagePool> pool_;
  std::int64_t length_ = 0;
  std::vector<Page> pages_;
};

}  // namespace llm
