/// \file
/// How a sentence-transformers folder makes one vector of a text's hidden states: plain data that
/// is read from the folder, beside the model's configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace llm {

/// How the vectors of a text's tokens become one.
enum class PoolingMode : std::uint8_t {
  cls,            ///< the vector of the first token that takes part
  max,            ///< the largest of each value
  mean,           ///< sum / number of tokens
  mean_sqrt_len,  ///< sum / sqrt(number of tokens)
  weighted_mean,  ///< mean with weights 1, 2, 3, ... in order of the tokens
  last_token,     ///< the vector of the last token
};

/// How texts are embedded.
struct SentenceConfig {
  /// The folder that holds config.json, weights and tokenizer; often the folder itself.
  std::filesystem::path model_path;
  /// The results are put one after another in this order; never empty.
  std::vector<PoolingMode> pooling{PoolingMode::mean};
  /// Whether the tokens of a prompt before the text take part.
  bool include_prompt = true;
  /// Whether the vector is divided by its Euclidean length.
  bool normalize = false;
  /// Only so many values of the vector are kept, the first ones; absent: all.
  std::optional<std::int64_t> truncate_dim;
  /// Whether the values that are kept are divided by their Euclidean length; no folder asks for it.
  bool normalize_embeddings = false;
  /// Most tokens of a text, special ones included; absent: what tokenizer and model allow.
  std::optional<std::int64_t> max_seq_length;
  /// Whether the text is made lower case before it is tokenized, whatever the tokenizer does.
  bool do_lower_case = false;
  /// Texts to put before the input, by name ("query", "document").
  std::map<std::string, std::string> prompts;
  /// The one of `prompts` to use when none is named; empty: none.
  std::string default_prompt_name;
  /// Unknown keys, which are ignored, each with its file.
  std::vector<std::string> unknown_keys;
};

/// Reads modules.json and the files that it names; nullopt when the folder has none. Throws Error:
/// bad_format, file_not_found, or unsupported, which names a module other than Transformer, Pooling
/// and Normalize in this order (Dropout, which does nothing here, may be among them), or a key that
/// would change the vectors.
std::optional<SentenceConfig> read_sentence_config(const std::filesystem::path& folder);

}  // namespace llm
