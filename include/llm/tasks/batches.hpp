/// \file
/// Many texts through a model: cut into batches by their tokens, without padding. What a text gives
/// does not depend on the batch it is in.
#pragma once

#include <atomic>
#include <span>
#include <utility>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/model/model.hpp"
#include "llm/tasks/text_tokens.hpp"
#include "llm/tensor/finite.hpp"

namespace llm {

/// Tokens that are computed together unless the caller says another number. Bounds the memory of a
/// pass; larger batches are not faster.
inline constexpr std::int64_t default_batch_tokens = 2048;

/// Consecutive texts of at most `batch_tokens` tokens together; a longer text is a batch of its
/// own.
std::vector<Range> split_batches(std::span<const TextTokens> texts, std::int64_t batch_tokens);

/// The texts of one batch as a model takes them.
inline std::vector<EncoderInput> model_inputs(std::span<const TextTokens> texts, Range batch) {
  std::vector<EncoderInput> inputs;
  inputs.reserve(static_cast<std::size_t>(batch.size()));
  for (std::int64_t i = batch.begin; i < batch.end; ++i) {
    inputs.push_back(texts[static_cast<std::size_t>(i)].input());
  }
  return inputs;
}

/// Throws Error (interrupted) when the flag is set.
inline void check_interrupt(const std::atomic<bool>* interrupt) {
  if (interrupt != nullptr && interrupt->load(std::memory_order_relaxed))
    throw Error(ErrorCode::interrupted, "the pass over the texts was interrupted");
}

/// Runs the model's head over all texts and calls visit(index, logits) for each in order; logits
/// are one row for a classifier, otherwise one row per token of the text, valid during the call.
/// Throws what Model::run_head() throws, and Error (interrupted) once `interrupt` is set.
template <typename S, typename Visit>
void run_head(const Model<S>& model, std::span<const TextTokens> texts, std::int64_t batch_tokens,
              const Visit& visit, const std::atomic<bool>* interrupt = nullptr) {
  Workspace workspace;
  workspace.set_interrupt(interrupt);
  for (const Range batch : split_batches(texts, batch_tokens)) {
    check_interrupt(interrupt);
    const HeadOutput<S> output = model.run_head(model_inputs(texts, batch), workspace);
    for (std::int64_t i = batch.begin; i < batch.end; ++i) {
      const Range rows = output.rows[static_cast<std::size_t>(i - batch.begin)];
      visit(static_cast<std::size_t>(i), output.logits.view().rows(rows));
    }
  }
}

/// The hidden states of all texts, as run_head(): visit(index, states), one row per token. An
/// encoder-decoder gives those of its encoder. Throws Error (bad_format) when they are no numbers.
template <typename S, typename Visit>
void run_hidden_states(const Model<S>& model, std::span<const TextTokens> texts,
                       std::int64_t batch_tokens, const Visit& visit,
                       const std::atomic<bool>* interrupt = nullptr) {
  Workspace workspace;
  workspace.set_interrupt(interrupt);
  for (const Range batch : split_batches(texts, batch_tokens)) {
    check_interrupt(interrupt);
    const std::vector<EncoderInput> inputs = model_inputs(texts, batch);
    const TensorView<const S> hidden = model.kind() == ModelKind::decoder
                                           ? model.hidden_states(inputs, workspace)
                                           : model.encode(inputs, workspace);
    std::int64_t row = 0;
    for (std::int64_t i = batch.begin; i < batch.end; ++i) {
      const std::int64_t end = row + texts[static_cast<std::size_t>(i)].size();
      const std::int64_t first = row;
      for (; row < end; ++row) check_finite(hidden.row(row), "hidden states");
      visit(static_cast<std::size_t>(i), hidden.rows({first, end}));
    }
  }
}

}  // namespace llm
