/// \file
/// One vector for a text, whose direction says what it is about.
///   text -> tokens -> hidden states -> pooling -> normalizing -> embedding
/// Encoders, decoders and the encoders of encoder-decoders embed. Reference: sentence-transformers,
/// modules Transformer, Pooling and Normalize.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/model/pooling.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// How a folder or `.gguf` file wants its texts embedded: as read_sentence_config() finds it or the
/// file's pooling_type says; where nothing is said, the mean of all tokens or, of a decoder, the
/// last token. Throws Error.
SentenceConfig embedding_config(const std::filesystem::path& path);

/// "mean", "cls", "last", "max", "mean-sqrt-len" or "weighted-mean"; Error (invalid_option).
PoolingMode pooling_from_name(std::string_view name);
/// The name that pooling_from_name() takes.
std::string_view to_string(PoolingMode mode);

/// How to embed.
struct EmbedOptions {
  std::string prompt = {};  ///< put before every text ("query: ")
  /// Long texts are cut, as the reference does, or an Error.
  Truncation truncation = Truncation::longest_first;
  std::int64_t batch_tokens = default_batch_tokens;  ///< tokens computed together
  InputOptions input = {};                           ///< what bounds the work on a text
};

/// Immutable; refers to model and tokenizer.
template <typename S>
class TextEmbedder {
 public:
  /// Any head of the model is passed over: load it with LoadOptions::head = HeadKind::none.
  TextEmbedder(const Model<S>& model, const Tokenizer& tokenizer, SentenceConfig config,
               EmbedOptions options = {});

  /// Values of an embedding.
  std::int64_t dimensions() const;
  /// As given.
  const SentenceConfig& config() const { return config_; }
  /// Tokens a text may have; nothing when there is no limit.
  const std::optional<TokenLimit>& limit() const { return encoder_.limit(); }

  /// Throws Error: invalid_input, context_overflow.
  TextTokens encode(std::string_view text) const;
  /// The embedding of each text.
  std::vector<std::vector<S>> embed(std::span<const TextTokens> texts) const;

 private:
  std::int64_t prompt_tokens() const;
  std::vector<S> pool(TensorView<const S> states) const;

  const Model<S>& model_;
  const Tokenizer& tokenizer_;
  SentenceConfig config_;
  EmbedOptions options_;
  TextEncoder encoder_;
  std::int64_t skipped_ = 0;  // tokens of the prompt that take no part in pooling
};

extern template class TextEmbedder<float>;
extern template class TextEmbedder<double>;

}  // namespace llm
