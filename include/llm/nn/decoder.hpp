/// \file
/// Causal stack with its LM head: sequences grow, each with its own pages of keys and values.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "llm/nn/stack.hpp"

namespace llm {

/// Last hidden states to logits: logits = (scale * hidden) W^T + bias.
template <typename S>
struct LmHead {
  Linear<S> linear;
  double scale = 1.0;
  bool empty() const { return linear.empty(); }
};

template <typename S>
class Decoder : public Stack<S, DecoderBlock> {
 public:
  Decoder() = default;
  Decoder(StackConfig config, typename Stack<S, DecoderBlock>::Layers layers)
      : Stack<S, DecoderBlock>(std::move(config), std::move(layers)) {
    set_kv_type(KVType::full);
  }

  /// Of the caches made from now on. Before the decoder is used.
  void set_kv_type(KVType type) {
    const StackConfig& c = this->config();
    kv_shape_ = {c.num_hidden_layers, c.num_key_value_heads, c.head_dim, type};
    pages_ = KVCache<S>::page_pool(kv_shape_);
  }

  KVCache<S> make_cache() const { return KVCache<S>(kv_shape_, pages_); }

  /// Runs the segments' new tokens (their caches have room for them) and returns the final hidden
  /// states of the rows `wanted`, ascending: [wanted, hidden] and, with a head, [wanted, vocab].
  /// Valid until the workspace is used again. The caches are not advanced.
  struct Output {
    TensorView<const S> hidden, logits;
  };
  Output decode(std::span<const Segment<S>> segments, std::span<const std::int64_t> wanted,
                const LmHead<S>& head, ThreadPool& pool, Workspace& workspace,
                Taps<S>* taps = nullptr) const {
    const std::int64_t hidden_size = this->config().hidden_size;
    const auto m = static_cast<std::int64_t>(wanted.size());
    const std::int64_t vocab = head.empty() ? 0 : head.linear.outputs();
    S* hidden = workspace.get<S>(detail::slot_hidden, m * hidden_size);
    S* scaled = head.scale == 1.0 ? hidden : workspace.get<S>(detail::slot_last, m * hidden_size);
    S* logits = workspace.get<S>(detail::slot_logits, m * vocab);
    this->forward(segments, pool, workspace, taps, [&](const Lane<S>& lane) {
      finish_rows(lane, wanted, hidden, scaled, static_cast<S>(head.scale));
      if (head.empty()) return;
      lane.worker.sync();
      head.linear.forward(scaled, hidden_size, m, lane.worker.share(head.linear.panels()), logits,
                          vocab, lane.scratch);
    });
    return {{hidden, Shape{m, hidden_size}}, {logits, Shape{m, vocab}}};
  }

  /// Keys and values of all layers' cross-attention for some sources, computed once per source.
  /// `hidden` [total tokens, hidden] holds the sources one after another.
  std::vector<KVCache<S>> encode_sources(TensorView<const S> hidden,
                                         std::span<const std::int64_t> lengths, ThreadPool& pool,
                                         Workspace& workspace) const {
    const StackConfig& c = this->config();
    std::vector<KVCache<S>> caches(lengths.size(), make_cache());
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      caches[i].reserve(lengths[i]);
    }
    S* heads = workspace.get<S>(detail::slot_heads, hidden.rows() * 2 * c.key_value_size());
    for (int i = 0; i < pool.size(); ++i) {
      workspace.get<S>(detail::slot_lanes + static_cast<std::size_t>(i),
                       matmul_scratch<S>(hidden.cols()));
    }
    pool.run([&](const Worker& worker) {
      S* scratch = workspace.peek<S>(detail::slot_lanes + static_cast<std::size_t>(worker.index()));
      const Range mine = worker.share(hidden.rows());
      std::int64_t first = 0;
      for (std::size_t i = 0; i < lengths.size(); first += lengths[i++]) {
        const Range rows{std::max(first, mine.begin), std::min(first + lengths[i], mine.end)};
        if (rows.size() <= 0) continue;
        for (const DecoderBlock<S>& block : this->layers().blocks) {
          block.layers().cross_attention.write_source(
              hidden.row(rows.begin), rows.begin - first, rows.size(),
              heads + rows.begin * 2 * c.key_value_size(), scratch, caches[i]);
        }
      }
    });
    for (std::size_t i = 0; i < lengths.size(); ++i) caches[i].advance(lengths[i]);
    return caches;
  }

 private:
  // Final norm of the wanted rows that this worker carries.
  void finish_rows(const Lane<S>& lane, std::span<const std::int64_t> wanted, S* hidden, S* scaled,
                   S scale) const {
    const std::int64_t n = this->config().hidden_size;
    const Range mine = lane.by_rows ? lane.rows : lane.worker.share(lane.pass.rows);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i] < mine.begin || wanted[i] >= mine.end) continue;
      S* to = hidden + static_cast<std::int64_t>(i) * n;
      this->finish_row(lane.x + (wanted[i] - lane.rows.begin) * n, to);
      if (scaled == hidden) continue;
      S* copy = scaled + static_cast<std::int64_t>(i) * n;
      for (std::int64_t k = 0; k < n; ++k) copy[k] = to[k] * scale;
    }
  }

  KVShape kv_shape_;
  std::shared_ptr<KVPagePool> pages_;  // of sequences and of sources
};

}  // namespace llm
