/// \file
/// When a sequence ends. The generator knows eos, stop tokens, stop strings, lengths and time; a
/// StopRule adds a reason of the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "llm/generation/logits_processor.hpp"

namespace llm {

/// Why a sequence ended. `stop`: eos, a stop token, a stop string or a StopRule. `length`: a limit
/// or the end of the context. `time`: max_time. `interrupted`: the caller's flag or callback. Beams
/// depend on each other: when a search is cut short, all its sequences say so.
enum class FinishReason : std::uint8_t { stop, length, time, interrupted };

/// "stop", "length", "time", "interrupted".
std::string_view to_string(FinishReason reason);

/// How a sequence ended.
struct Ending {
  FinishReason reason = FinishReason::length;  ///< why
  std::string stop;                            ///< as GenerationResult::stop
};

/// A reason of the caller's to end a sequence. Keeps no state: one rule serves all rows and
/// threads.
class StopRule {
 public:
  virtual ~StopRule() = default;
  /// Called after each new token, unless that token ended the sequence. `text` is the text of the
  /// new tokens so far (empty without a tokenizer, and in beam search). Returns why to stop, which
  /// becomes GenerationResult::stop, or nothing to go on.
  virtual std::optional<std::string> check(const SequenceView& sequence,
                                           std::string_view text) const = 0;
};

}  // namespace llm
