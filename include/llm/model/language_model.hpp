/// \file
/// What generation needs of a model: sequences that grow, and the logits after them. Model
/// implements it for decoders and encoder-decoders; tests implement it for toy vocabularies.
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

/// What a model remembers of one growing sequence: keys and values (in pages that forks share until
/// one of them writes), and for an encoder-decoder the encoded source. Not thread-safe; belongs to
/// one generation.
template <typename S>
class SequenceState {
 public:
  virtual ~SequenceState() = default;
  /// An independent sequence with the same tokens; they share memory until one of them writes.
  virtual std::unique_ptr<SequenceState> fork() const = 0;
  /// Tokens seen so far.
  virtual std::int64_t length() const = 0;
  /// Forgets the tokens from position `length` on.
  virtual void truncate(std::int64_t length) = 0;
};

/// New tokens of one sequence, and which logits are wanted.
template <typename S>
struct StepInput {
  SequenceState<S>* state = nullptr;  ///< the sequence; at most once in a batch
  std::span<const TokenId> ids;       ///< at least one
  bool all_logits = false;            ///< logits after every token, not only after the last
};

/// A decoder or encoder-decoder, for generation. Immutable: any number of threads may use one, each
/// with its own states and workspace.
template <typename S>
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  /// Logits of a row.
  virtual std::int64_t vocab_size() const = 0;
  /// Ids that a source may have; differs from vocab_size() only where there are two vocabularies.
  virtual std::int64_t source_vocab_size() const { return vocab_size(); }
  /// Whether a source is encoded first.
  virtual bool is_encoder_decoder() const = 0;
  /// Most tokens of a decoder sequence, prompt included; nullopt when there is no limit (relative
  /// position biases).
  virtual std::optional<std::int64_t> max_length() const = 0;
  /// Most tokens of a source of an encoder-decoder; nullopt when there is no limit.
  virtual std::optional<std::int64_t> max_source_length() const = 0;

  /// Opens an empty sequence for each source. Encoder-decoder: `sources[i]` are the source's ids;
  /// all sources are encoded together. Decoder: only the number of sources counts; each must be
  /// empty.
  virtual std::vector<std::unique_ptr<SequenceState<S>>> start(
      std::span<const std::span<const TokenId>> sources, Workspace& workspace) const = 0;

  /// Appends each input's tokens to its sequence and computes logits, in the order of the inputs:
  /// one row of vocab_size() for an input, or for each token of an input with all_logits. A row
  /// depends only on its sequence's tokens. The result is valid until the workspace is used again.
  /// Throws Error (context_overflow, invalid_input for an id outside the vocabulary); the states
  /// are then unchanged.
  virtual TensorView<const S> step(std::span<const StepInput<S>> batch,
                                   Workspace& workspace) const = 0;  // [rows, vocab_size]
};

}  // namespace llm
