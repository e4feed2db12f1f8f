/// \file
/// Bidirectional stack: all sequences of a call run as one flat list of tokens, without padding.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "llm/nn/stack.hpp"

namespace llm {

/// One text for an encoder.
struct EncoderInput {
  std::span<const TokenId> ids;
  std::span<const std::int32_t> type_ids;  ///< empty: all 0
};

template <typename S>
class Encoder : public Stack<S, EncoderBlock> {
 public:
  Encoder() = default;
  Encoder(StackConfig config, typename Stack<S, EncoderBlock>::Layers layers)
      : Stack<S, EncoderBlock>(std::move(config), std::move(layers)),
        pages_(KVCache<S>::page_pool(kv_shape())) {}

  /// Hidden states of all tokens, sequence after sequence: [total tokens, hidden], after the final
  /// norm. Valid until the workspace is used again.
  TensorView<const S> encode(std::span<const EncoderInput> inputs, ThreadPool& pool,
                             Workspace& workspace, Taps<S>* taps = nullptr) const {
    const StackConfig& c = this->config();
    std::vector<KVCache<S>> caches(inputs.size(), KVCache<S>(kv_shape(), pages_));
    std::vector<Segment<S>> segments(inputs.size());
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      segments[i].ids = inputs[i].ids;
      segments[i].type_ids = inputs[i].type_ids;
      segments[i].first_row = rows;
      segments[i].cache = &caches[i];
      caches[i].reserve(segments[i].count());
      rows += segments[i].count();
    }
    S* hidden = workspace.get<S>(detail::slot_hidden, rows * c.hidden_size);
    this->forward(std::span<const Segment<S>>(segments), pool, workspace, taps,
                  [&](const Lane<S>& lane) {
                    const Range mine = lane.by_rows ? lane.rows : lane.worker.share(lane.pass.rows);
                    for (std::int64_t r = mine.begin; r < mine.end; ++r) {
                      this->finish_row(lane.x + (r - lane.rows.begin) * c.hidden_size,
                                       hidden + r * c.hidden_size);
                    }
                  });
    return {hidden, Shape{rows, c.hidden_size}};
  }

 private:
  // Two layers of keys and values suffice: a worker that is one layer ahead writes the other one.
  KVShape kv_shape() const {
    const StackConfig& c = this->config();
    return {2, c.num_key_value_heads, c.head_dim};
  }

  std::shared_ptr<KVPagePool> pages_;
};

}  // namespace llm
