/// \file
/// What generation needs of a model: sequences that grow, and logits after them. Model implements
/// it for decoders and encoder-decoders; tests implement it on toy vocabularies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "llm/core/types.hpp"
#include "llm/tensor/tensor.hpp"
#include "llm/tensor/workspace.hpp"

namespace llm {

/// One growing sequence of decoder tokens inside a model: its keys and values (pages shared with
/// its forks, copied on write), and for an encoder-decoder the encoded source. Not thread-safe;
/// belongs to one generation.
template <typename S>
class SequenceState {
 public:
  virtual ~SequenceState() = default;
  /// An independent sequence with the same past; shares memory until one of them writes.
  virtual std::unique_ptr<SequenceState> fork() const = 0;
  /// Tokens seen so far.
  virtual std::int64_t length() const = 0;
  /// Forgets all tokens from position `length` on.
  virtual void truncate(std::int64_t length) = 0;
};

/// New tokens of one sequence, and where its logits are wanted.
template <typename S>
struct StepInput {
  SequenceState<S>* state = nullptr;  ///< appended to; each state at most once in a batch
  std::span<const TokenId> ids;       ///< at least one
  bool all_logits = false;            ///< logits after every token, not only after the last one
};

template <typename S>
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  virtual std::int64_t vocab_size() const = 0;
  /// Ids that a source may have; only models with two vocabularies have another number.
  virtual std::int64_t source_vocab_size() const { return vocab_size(); }
  virtual bool is_encoder_decoder() const = 0;
  /// Largest number of decoder positions (prompt + new tokens); nullopt when positions are
  /// unbounded (relative biases).
  virtual std::optional<std::int64_t> max_length() const = 0;
  /// Largest number of source tokens of an encoder-decoder; nullopt when unbounded.
  virtual std::optional<std::int64_t> max_source_length() const = 0;

  /// Opens an empty sequence for each source. Encoder-decoder: `sources[i]` are the source ids, all
  /// are encoded together. Decoder: `sources` gives only the number, every entry must be empty.
  virtual std::vector<std::unique_ptr<SequenceState<S>>> start(
      std::span<const std::span<const TokenId>> sources, Workspace& workspace) const = 0;

  /// Appends each input's tokens to its sequence and computes logits: one row of vocab_size() per
  /// input (or per token of an input with all_logits), in order. A row's value depends only on that
  /// sequence's tokens. Throws Error (context_overflow, invalid_input for an id outside the
  /// vocabulary); the states are then unchanged.
  virtual TensorView<const S> step(std::span<const StepInput<S>> batch,
                                   Workspace& workspace) const = 0;  // [rows, vocab_size]
};

}  // namespace llm
