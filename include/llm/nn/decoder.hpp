/// \file
/// Causal stack with its LM head: sequences grow, each with its own pages of keys and values.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "llm/nn/stack.hpp"

namespace llm {

/// Last hidden states to logits: logits = (scale * hidden) W^T + bias, then perhaps
/// softcap * tanh(logits / softcap).
template <typename S>
struct LmHead {
  Linear<S> linear;    ///< [vocab, hidden]
  double scale = 1.0;  ///< factor on the hidden states
  double softcap = 0;  ///< TransformerConfig::final_logit_softcapping
  /// Whether there is no head.
  bool empty() const { return linear.empty(); }

  /// Computes the columns of a range of panels: x [rows, hidden] already scaled, logits [rows,
  /// vocab].
  void forward(TensorView<const S> x, Range panels, TensorView<S> logits,
               std::span<S> scratch) const {
    linear.forward(x, panels, logits, scratch);
    if (softcap == 0) return;
    const Range columns = linear.columns(panels);
    for (std::int64_t r = 0; r < logits.rows(); ++r) {
      const std::span<S> values = logits.row(r, columns.begin, columns.size());
      ops::scale(values, static_cast<S>(1 / softcap));
      ops::activate(Activation::tanh, values);
      ops::scale(values, static_cast<S>(softcap));
    }
  }
};

/// The causal stack. Immutable once loaded; used by any number of threads.
template <typename S>
class Decoder : public Stack<S, DecoderBlock> {
 public:
  Decoder() = default;
  /// `layers` must have the sizes that `config` gives.
  Decoder(StackConfig config, typename Stack<S, DecoderBlock>::Layers layers)
      : Stack<S, DecoderBlock>(std::move(config), std::move(layers)) {
    set_kv_type(KVType::full);
  }

  /// How the caches made from now on keep their numbers. To be called before the decoder is used.
  void set_kv_type(KVType type) {
    const StackConfig& c = this->config();
    kv_shape_ = {c.num_hidden_layers, c.num_key_value_heads, c.head_dim, type};
    pages_ = KVCache<S>::page_pool(kv_shape_);
  }

  /// An empty cache for a sequence, or for the keys and values of a source.
  KVCache<S> make_cache() const { return KVCache<S>(kv_shape_, pages_); }

  /// The shape of the caches that make_cache() makes.
  const KVShape& kv_shape() const { return kv_shape_; }

  /// What decode() returns; valid until the workspace is used again.
  struct Output {
    TensorView<const S> hidden;  ///< after the final norm: [wanted, hidden]
    TensorView<const S> logits;  ///< [wanted, vocab]; without a head [wanted, 0]
  };
  /// Runs the sequences' new tokens (their caches have room for them) and returns the final hidden
  /// states of the rows `wanted`, ascending: [wanted, hidden] and, with a head, [wanted, vocab].
  /// Valid until the workspace is used again. The caches are not advanced.
  Output decode(std::span<const SequenceTokens<S>> sequences, std::span<const std::int64_t> wanted,
                const LmHead<S>& head, ThreadPool& pool, Workspace& workspace,
                Taps<S>* taps = nullptr) const {
    const std::int64_t hidden_size = this->config().hidden_size;
    const auto rows = static_cast<std::int64_t>(wanted.size());
    workspace.release();
    const TensorView<S> hidden = workspace.take<S>(rows, hidden_size);
    const TensorView<S> scaled = head.scale == 1.0 ? hidden : workspace.take<S>(rows, hidden_size);
    const TensorView<S> logits = workspace.take<S>(rows, head.empty() ? 0 : head.linear.outputs());
    this->forward(sequences, pool, workspace, taps, [&](const Lane<S>& lane) {
      finish_rows(lane, wanted, hidden, scaled, static_cast<S>(head.scale));
      if (head.empty()) return;
      lane.worker.sync();
      head.forward(scaled, lane.worker.share(head.linear.panels()), logits, lane.scratch);
    });
    return {hidden, logits};
  }

  /// Keys and values of all layers' cross-attention for some sources, computed once per source.
  /// `hidden` [total tokens, hidden] holds the sources one after another.
  std::vector<KVCache<S>> encode_sources(TensorView<const S> hidden,
                                         std::span<const std::int64_t> lengths, ThreadPool& pool,
                                         Workspace& workspace) const {
    std::vector<KVCache<S>> caches(lengths.size(), make_cache());
    for (std::size_t i = 0; i < lengths.size(); ++i) caches[i].reserve(lengths[i]);
    const TensorView<S> kv = workspace.take<S>(hidden.rows(), 2 * this->config().key_value_size());
    const TensorView<S> scratch = take_scratch<S>(hidden.cols(), pool, workspace);
    pool.run([&](const Worker& worker) {
      const Range mine = worker.share(hidden.rows());
      std::int64_t first = 0;
      for (std::size_t i = 0; i < lengths.size(); first += lengths[i++]) {
        const Range rows{std::max(first, mine.begin), std::min(first + lengths[i], mine.end)};
        if (rows.size() <= 0) continue;
        for (const DecoderBlock<S>& block : this->layers().blocks) {
          block.layers().cross_attention.write_source(hidden.rows(rows), rows.begin - first,
                                                      kv.rows(rows), scratch.row(worker.index()),
                                                      caches[i]);
        }
      }
    });
    for (std::size_t i = 0; i < lengths.size(); ++i) caches[i].advance(lengths[i]);
    return caches;
  }

 private:
  // Of the wanted rows, those that this worker finishes: hidden = the final norm, scaled = `scale`
  // times that.
  void finish_rows(const Lane<S>& lane, std::span<const std::int64_t> wanted, TensorView<S> hidden,
                   TensorView<S> scaled, S scale) const {
    const Range mine = lane.finished_rows();
    for (std::int64_t i = 0; i < hidden.rows(); ++i) {
      const std::int64_t row = wanted[static_cast<std::size_t>(i)];
      if (row < mine.begin || row >= mine.end) continue;
      this->finish_row(lane.residual(row), hidden.row(i));
      if (scaled.data() == hidden.data()) continue;
      std::ranges::copy(hidden.row(i), scaled.row(i).begin());
      ops::scale(scaled.row(i), scale);
    }
  }

  KVShape kv_shape_;
  std::shared_ptr<KVPagePool> pages_;  // of sequences and of sources
};

}  // namespace llm
