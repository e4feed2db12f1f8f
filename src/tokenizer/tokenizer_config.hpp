// The small files beside a tokenizer: tokenizer_config.json, special_tokens_map.json,
// chat_template.jinja and the model_type of config.json.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/pipeline.hpp"

namespace llm::detail {

struct TokenizerConfig {
  std::string tokenizer_class;  // without a final "Fast"; empty when unknown
  std::string model_type;       // of config.json; empty when unknown
  // The named special tokens, in the order of special_names; absent ones have no content.
  std::array<AddedToken, 7> named;
  std::vector<std::pair<TokenId, AddedToken>> added;  // added_tokens_decoder, ascending ids
  std::vector<AddedToken> extra;                      // additional_special_tokens
  std::optional<bool> add_bos, add_eos, add_prefix_space, clean_up_spaces, legacy, lower_case;
  std::optional<std::int64_t> extra_ids;
  std::string chat_template;

  static constexpr std::array<const char*, 7> special_names = {
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
  enum Named { bos, eos, unk, sep, pad, cls, mask };

  // The token's content; `otherwise` when the files do not name it.
  std::string name_or(Named which, const std::string& otherwise) const;
};

// Reads what there is in the folder. Throws Error (bad_format) when a file is damaged.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

// Adds the tokens that the files name to the pipeline, sets its special tokens and chat template,
// and follows add_bos_token and add_eos_token as the reference does.
void apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts);

}  // namespace llm::detail
