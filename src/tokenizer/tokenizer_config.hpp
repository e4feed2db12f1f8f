// The small files beside a tokenizer: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, chat_template.jinja and the model_type of config.json.
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
  // What the reference would open the folder with: as the files say or as the model_type implies.
  // Without a final "Fast"; empty when nothing says it.
  std::string tokenizer_class;
  // The named special tokens, in the order of special_names; absent ones have no content.
  std::array<AddedToken, 7> named;
  // added_tokens_decoder and added_tokens.json, ascending ids
  std::vector<std::pair<TokenId, AddedToken>> added;
  std::vector<AddedToken> extra;  // additional_special_tokens
  std::optional<bool> add_bos, add_eos, add_prefix_space, clean_up_spaces, legacy, lower_case;
  std::optional<bool> chinese_chars, strip_accents, trim_offsets;
  std::optional<std::int64_t> extra_ids, offset;
  std::optional<std::int64_t> max_length;  // model_max_length
  std::optional<bool> pads_left;           // padding_side
  std::string source_language, target_language;
  bool separate_vocabularies = false;  // Marian: target_vocab.json is the decoder's
  std::string sentence_mask;           // Pegasus: mask_token_sent
  std::string chat_template;

  static constexpr std::array<const char*, 7> special_names = {
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
  enum Named { bos, eos, unk, sep, pad, cls, mask };

  // The token's content; `otherwise` when the files do not name it.
  std::string name_or(Named which, const std::string& otherwise) const;
  bool is_class(std::initializer_list<std::string_view> names) const;
  // Names the token unless the files do.
  void set_default(Named which, const std::string& content);
};

// Reads what there is in the folder. Throws Error (bad_format) when a file is damaged.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

// Adds the tokens that the files name to the pipeline, sets its special tokens and chat template,
// and follows add_bos_token and add_eos_token as the reference does.
void apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts);

}  // namespace llm::detail
