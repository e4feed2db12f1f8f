/// \file
/// Bidirectional stack: all sequences of a call run as one flat list of tokens, without padding.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "llm/nn/inputs.hpp"
#include "llm/nn/stack.hpp"

namespace llm {

/// The bidirectional stack. Immutable once loaded; used by any number of threads.
template <typename S>
class Encoder : public Stack<S, EncoderBlock> {
 public:
  Encoder() = default;
  /// `layers` must have the sizes that `config` gives.
  Encoder(StackConfig config, typename Stack<S, EncoderBlock>::Layers layers)
      : Stack<S, EncoderBlock>(std::move(config), std::move(layers)),
        pages_(KVCache<S>::page_pool(kv_shape())) {}

  /// Hidden states of all tokens, sequence after sequence: [total tokens, hidden], after the final
  /// norm. Valid until the workspace is used again.
  TensorView<const S> encode(std::span<const EncoderInput> inputs, ThreadPool& pool,
                             Workspace& workspace, Taps<S>* taps = nullptr) const {
    std::vector<KVCache<S>> caches(inputs.size(), KVCache<S>(kv_shape(), pages_));
    std::vector<SequenceTokens<S>> sequences(inputs.size());
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      sequences[i] = {inputs[i].ids, inputs[i].type_ids, rows, 0, &caches[i], nullptr};
      caches[i].reserve(sequences[i].count());
      rows += sequences[i].count();
    }
    workspace.release();
    const TensorView<S> hidden = workspace.take<S>(rows, this->config().hidden_size);
    this->forward(std::span<const SequenceTokens<S>>(sequences), pool, workspace, taps,
                  [&](const Lane<S>& lane) {
                    const Range mine = lane.finished_rows();
                    for (std::int64_t r = mine.begin; r < mine.end; ++r) {
                      this->finish_row(lane.residual(r), hidden.row(r));
                    }
                  });
    return hidden;
  }

 private:
  // Only the layer that is being computed needs keys and values. Two layers take turns, because a
  // worker may be one layer ahead: it then writes the other one.
  KVShape kv_shape() const {
    const StackConfig& c = this->config();
    return {2, c.num_key_value_heads, c.head_dim};
  }

  std::shared_ptr<KVPagePool> pages_;
};

}  // namespace llm
