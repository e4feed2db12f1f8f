/// \file
/// Tasks whose answer is a text: how a model is asked to do one. Stands before the generation loop:
/// what was given -> prompt, language and options -> Generator.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "llm/generation/generation_config.hpp"
#include "llm/generation/generator.hpp"
#include "llm/nn/transformer_config.hpp"
#include "llm/tokenizer/tokenizer.hpp"

namespace llm {

/// What stands before a text that is asked about, and how the answer is generated.
struct TextTask {
  std::string prefix = {};       ///< put before every text: "summarize: "
  std::string language = {};     ///< of the text, as EncodeOptions::language; empty: not marked
  GenerationConfig config = {};  ///< how the answer is generated

  /// The request for one text.
  GenerationRequest request(std::string_view text) const {
    GenerationRequest request;
    request.text = prefix + std::string(text);
    request.language = language;
    return request;
  }
};

/// What the caller says about a task; what is not given is as the model's files say.
struct TextTaskOptions {
  std::optional<std::string> prefix = {};  ///< as TextTask::prefix
  /// The text's language as the model names it: "en_XX" (mBART), "fra" (Marian), "en" or "English"
  /// (T5).
  std::string source_language = {};
  /// The answer's language, likewise.
  std::string target_language = {};
};

/// How a model summarizes: with the prefix and the options that `task_specific_params` of its
/// config.json names for "summarization", or else its general ones; a model that was trained on
/// texts with spans left out (T5) has "summarize: " for a prefix where its files name none.
/// Options that no file names are the reference pipeline's: 4 beams, 256 new tokens. (Its version
/// 4.57 lets these two win over what the files say; here the files win.) `tokenizer` may be null.
/// Throws Error: unsupported when the model is no encoder-decoder, and as
/// GenerationConfig::from_folder().
TextTask summarization_task(const std::filesystem::path& path, const TransformerConfig& config,
                            const Tokenizer* tokenizer, const TextTaskOptions& options = {});

/// How a model translates. What the languages do depends on what marks them: the tokenizer's codes
/// (TextTask::language, forced_bos_token_id), or a prefix: that of "translation_XX_to_YY" in
/// `task_specific_params`, or else "translate English to German: " for a T5. Without languages the
/// model's only pair is taken. Options and errors as above; invalid_option for languages that are
/// missing or not known.
TextTask translation_task(const std::filesystem::path& path, const TransformerConfig& config,
                          const Tokenizer* tokenizer, const TextTaskOptions& options = {});

}  // namespace llm
