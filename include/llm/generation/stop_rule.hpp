/// \file
/// When a sequence ends. The generator itself knows eos, stop tokens, stop strings, lengths and
/// time; a StopRule adds a reason of the caller's own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "llm/generation/logits_processor.hpp"

namespace llm {

/// Why a sequence ended. `stop`: eos, a stop token, a stop string or a StopRule. `length`: one of
/// the limits or the end of the context. `time`: max_time. `interrupted`: the caller's flag or
/// callback. Beams depend on each other: all sequences of a search that was cut short say so.
enum class FinishReason : std::uint8_t { stop, length, time, interrupted };

/// "stop", "length", "time", "interrupted".
std::string_view to_string(FinishReason reason);

/// How a sequence ended.
struct Ending {
  FinishReason reason = FinishReason::length;
  std::string stop;  ///< as in GenerationResult
};

/// Keeps no state: one rule serves all rows and threads.
class StopRule {
 public:
  virtual ~StopRule() = default;
  /// Called after each new token that did not end the sequence otherwise. `text` is what the new
  /// tokens say so far (empty without a tokenizer, and in beam search). Returns why to stop (it
  /// becomes GenerationResult::stop), or nothing to go on.
  virtual std::optional<std::string> check(const SequenceView& sequence,
                                           std::string_view text) const = 0;
};

}  // namespace llm
