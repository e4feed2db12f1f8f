/// \file
/// A request that is ready to run: tokens, limits and options. Everything that can be wrong with a
/// row is found here, before it is computed with other rows.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "llm/generation/generator.hpp"

namespace llm::detail {

/// What a model accepts: the part of LanguageModel that does not depend on the scalar.
struct ModelLimits {
  std::int64_t vocab_size = 0;
  std::int64_t source_vocab_size = 0;
  bool is_encoder_decoder = false;
  std::optional<std::int64_t> max_length;
  std::optional<std::int64_t> max_source_length;
  std::optional<std::int64_t> max_input_tokens = {};  ///< the caller's limit
  const std::atomic<bool>* interrupt = nullptr;

  /// Most tokens of a prompt, apart from the model's context.
  std::int64_t most_input() const {
    const bool is_limited = (is_encoder_decoder ? max_source_length : max_length).has_value();
    return max_input_tokens.value_or(is_limited ? INT64_MAX : default_max_input_tokens);
  }
};

/// One row, ready to run.
struct Task {
  GenerationRequest request;
  std::shared_ptr<const GenerationConfig> config;
  const Tokenizer* tokenizer = nullptr;
  bool is_encoder_decoder = false;
  std::vector<TokenId> source;  ///< encoder-decoder: what is encoded
  std::vector<TokenId> prompt;  ///< the first tokens of the decoder's sequence
  std::int64_t max_length = 0;  ///< of the decoder sequence
  std::int64_t prompt_tokens = 0;
  bool truncated = false;
  std::uint64_t row = 0;
  std::uint64_t seed = 0;
  std::chrono::steady_clock::time_point started;

  /// A sequence as processors and stop rules see it.
  SequenceView view(std::span<const TokenId> ids) const {
    return {ids, is_encoder_decoder ? source : prompt, static_cast<std::int64_t>(prompt.size()),
            max_length};
  }
  /// A result with what is known before generating.
  GenerationResult result(std::int32_t sample) const;
  bool out_of_time() const;
  /// The token as the tokenizer spells it, or without a tokenizer its number.
  std::string spell(TokenId id) const;
};

/// Makes a task: encodes the prompt, and cuts it or refuses it when it is too long. Throws Error:
/// invalid_option, invalid_input, context_overflow, interrupted.
Task prepare_task(GenerationRequest request, std::shared_ptr<const GenerationConfig> config,
                  const ModelLimits& limits, const Tokenizer* tokenizer, Overflow overflow);

}  // namespace llm::detail
