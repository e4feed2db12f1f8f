/// \file
/// How a sentence-transformers folder makes one vector of the hidden states of a text. Plain data,
/// read from the folder; stands beside the configuration of the model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace llm {

/// One vector from those of a text's tokens.
enum class PoolingMode : std::uint8_t {
  cls,            ///< the first token's that takes part
  max,            ///< largest of each value
  mean,           ///< sum / number of tokens
  mean_sqrt_len,  ///< sum / sqrt(number of tokens)
  weighted_mean,  ///< mean with weights 1, 2, 3, ... in order of the tokens
  last_token,     ///< the last token's
};

struct SentenceConfig {
  /// The folder inside that holds config.json, weights and tokenizer; often the same.
  std::filesystem::path model_path;
  /// Results stand one after the other in this order; never empty.
  std::vector<PoolingMode> pooling{PoolingMode::mean};
  /// Whether the tokens of the prompt before the text take part.
  bool include_prompt = true;
  /// Whether the vector is divided by its Euclidean length.
  bool normalize = false;
  /// Values of the vector that are kept, from the first; absent: all.
  std::optional<std::int64_t> truncate_dim;
  /// Whether what is kept is divided by its Euclidean length; no folder says so.
  bool normalize_embeddings = false;
  /// Tokens a text is cut to, special ones included; absent: what tokenizer and model allow.
  std::optional<std::int64_t> max_seq_length;
  /// Lower the text before it is tokenized, whatever the tokenizer does.
  bool do_lower_case = false;
  /// Text to put before the input, by name ("query", "document").
  std::map<std::string, std::string> prompts;
  /// The one of `prompts` to use when none is named; empty: none.
  std::string default_prompt_name;
  /// Keys of the files that nobody knows, which are passed over, each with its file.
  std::vector<std::string> unknown_keys;
};

/// Reads modules.json and what it leads to; nothing when the folder has none (it is then used with
/// mean pooling, if at all). Throws Error: bad_format, file_not_found; unsupported names a module
/// other than Transformer, Pooling, Normalize in this order (Dropout, which does nothing here, may
/// stand among them), or a key that would change the vectors.
std::optional<SentenceConfig> read_sentence_config(const std::filesystem::path& folder);

}  // namespace llm
