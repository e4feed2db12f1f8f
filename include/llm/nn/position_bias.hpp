/// \file
/// The position biases of a stack (ALiBi, T5) as lines by distance, made once and shared by all
/// passes: a decoding step only reads them.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "llm/nn/transformer_config.hpp"
#include "llm/tensor/positions.hpp"

namespace llm {

/// The position biases of one stack.
template <typename S>
class PositionBias {
 public:
  /// One set of lines for all layers, or one for each.
  using Lines = std::vector<BiasLines<S>>;

  PositionBias() = default;
  /// `relative_bias`: tables [num_buckets, heads] of a RelativeBias, one for all layers or one for
  /// each; empty for other schemes. `positions` are those of the stack.
  PositionBias(Positions positions, std::int64_t heads, std::vector<std::vector<S>> relative_bias)
      : positions_(std::move(positions)),
        heads_(heads),
        relative_bias_(std::move(relative_bias)),
        shared_(std::make_unique<Shared>()) {}

  /// Lines that can be read for |key - query| < reach; they may be longer, with the same values.
  /// Null when the stack has no such biases. Several threads may call this; none waits for another.
  std::shared_ptr<const Lines> lines(std::int64_t reach) const {
    if (!has_lines()) return nullptr;
    const Made* longest = shared_->longest.load(std::memory_order_acquire);
    while (longest == nullptr || longest->lines->front().reach() < reach) {
      std::int64_t longer = 512;
      while (longer < reach) longer *= 2;
      auto made = std::make_unique<Made>(std::make_shared<const Lines>(make(longer)));
      if (!shared_->longest.compare_exchange_strong(longest, made.get(), std::memory_order_acq_rel))
        continue;  // another thread was faster; perhaps its lines do
      made->shorter.reset(longest);
      longest = made.release();
    }
    return longest->lines;
  }

 private:
  struct Made {
    explicit Made(std::shared_ptr<const Lines> made) : lines(std::move(made)) {}
    std::shared_ptr<const Lines> lines;
    std::unique_ptr<const Made> shorter;  // other threads may be reading there
  };
  struct Shared {
    Shared() = default;
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() { delete longest.load(); }
    std::atomic<const Made*> longest{nullptr};
  };

  bool has_lines() const {
    return std::holds_alternative<AlibiPositions>(positions_) ||
           (std::holds_alternative<RelativeBias>(positions_) && !relative_bias_.empty());
  }

  Lines make(std::int64_t reach) const {
    Lines lines;
    if (const auto* alibi = std::get_if<AlibiPositions>(&positions_)) {
      lines.emplace_back().fill(heads_, reach, [&](std::int64_t head, std::int64_t distance) {
        return alibi->slopes[static_cast<std::size_t>(head)] * static_cast<double>(distance);
      });
      return lines;
    }
    const auto& relative = std::get<RelativeBias>(positions_);
    std::vector<std::int64_t> bucket;  // of distances -reach ..
    for (std::int64_t distance = -reach; distance < reach; ++distance) {
      bucket.push_back(relative_position_bucket(distance, relative.num_buckets,
                                                relative.max_distance, relative.bidirectional));
    }
    for (const std::vector<S>& table : relative_bias_) {
      lines.emplace_back().fill(heads_, reach, [&](std::int64_t head, std::int64_t distance) {
        const std::int64_t row = bucket[static_cast<std::size_t>(distance + reach)];
        return static_cast<double>(table[static_cast<std::size_t>(row * heads_ + head)]);
      });
    }
    return lines;
  }

  Positions positions_;
  std::int64_t heads_ = 0;
  std::vector<std::vector<S>> relative_bias_;
  std::unique_ptr<Shared> shared_;
};

}  // namespace llm
