// The small files beside a tokenizer: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, chat_template.jinja and the model_type of config.json.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/pipeline.hpp"

namespace llm::detail {

// Of a chat template: ten times the longest there is. A syntax tree takes about a hundred bytes for
// each byte.
inline constexpr std::size_t max_template_bytes = std::size_t{512} << 10U;

struct TokenizerConfig {
  // What the reference would open the folder with: as the files say or as the model_type implies.
  // Without a final "Fast"; empty when nothing says it.
  std::string tokenizer_class;
  std::string model_class;  // what config.json alone implies; read where tokenizer_class is generic
  // The named special tokens, in the order of special_names; absent ones have no content.
  std::array<AddedToken, 7> named;
  std::array<bool, 7> unnamed{};  // said to be null, so that the class gives no name either
  // added_tokens_decoder and added_tokens.json, ascending ids
  std::vector<std::pair<TokenId, AddedToken>> added;
  std::vector<AddedToken> extra;  // other special tokens, in the order of their ids
  std::optional<bool> add_bos, add_eos, add_prefix_space, clean_up_spaces, legacy, lower_case;
  std::optional<bool> chinese_chars, strip_accents, trim_offsets;
  std::optional<std::int64_t> extra_ids, offset;
  std::optional<std::int64_t> max_length;  // model_max_length
  std::optional<bool> pads_left;           // padding_side
  std::optional<bool> truncates_left;      // truncation_side
  bool has_token_types = true;             // model_input_names has "token_type_ids" or is absent
  bool clean_up_bpe = false;               // clean_up_spaces holds for BPE, too
  bool split_special = false;              // special tokens in texts are text
  bool fixes_mistral = false;              // fix_mistral_regex, where it is heard
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

// A count of tokenizer_config.json that makes tokens: `given`, or `otherwise` when it is not there.
std::int64_t checked_count(const char* what, std::optional<std::int64_t> given,
                           std::int64_t otherwise, const std::string& where);

// Adds the tokens that the files name to the pipeline, sets its special tokens, chat template and
// settings.
void apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts);

// The post-processor that adds bos, eos or both to each text, where the pipeline has them.
void set_bos_eos(bool bos, bool eos, PipelineParts& parts);

// Follows a stated add_bos_token or add_eos_token of a folder without a tokenizer.json.
void follow_stated_bos_eos(const TokenizerConfig& config, PipelineParts& parts);

}  // namespace llm::detail
