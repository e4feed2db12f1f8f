/// \file
/// How to generate: the options of one run, under the names and with the defaults of Hugging Face's
/// generation configuration. Stands between the model folder and the processors, the sampler, beam
/// search and the stop rules that are built from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/core/error.hpp"
#include "llm/core/types.hpp"

namespace llm {

/// When beam search ends: `no` by a heuristic, `yes` as soon as num_beams sequences are complete,
/// `never` only when no better sequence is possible.
enum class EarlyStopping : std::uint8_t { no, yes, never };

/// Plain values, merged in layers: built-in defaults, then the model folder, then the caller.
/// Fill it by from_folder(), then set members directly, or by set() where the origin should be
/// remembered (source()). An empty list means that the option is not given.
struct GenerationConfig {
  // -- length --
  /// Largest length of the whole decoder sequence (for a decoder: prompt included). Given neither
  /// this nor max_new_tokens, the reference's default holds: 20 new tokens.
  std::optional<std::int64_t> max_length;
  std::optional<std::int64_t> max_new_tokens;  ///< wins over max_length
  std::int64_t min_length = 0;                 ///< no eos before the sequence has this length
  std::optional<std::int64_t> min_new_tokens;  ///< wins over min_length
  std::optional<double> max_time;              ///< seconds from the start of a row

  // -- strategy --
  bool do_sample = false;
  std::int64_t num_beams = 1;
  EarlyStopping early_stopping = EarlyStopping::no;
  double length_penalty = 1.0;
  std::int64_t num_return_sequences = 1;

  // -- the distribution that is sampled (do_sample) --
  double temperature = 1.0;
  std::int64_t top_k = 50;  ///< 0: off
  double top_p = 1.0;
  std::optional<double> min_p;
  double typical_p = 1.0;

  // -- penalties and bans --
  double repetition_penalty = 1.0;
  double encoder_repetition_penalty = 1.0;
  std::int64_t no_repeat_ngram_size = 0;
  std::int64_t encoder_no_repeat_ngram_size = 0;
  std::vector<std::vector<TokenId>> bad_words_ids;
  std::vector<TokenId> suppress_tokens;
  std::vector<TokenId> begin_suppress_tokens;
  std::optional<TokenId> forced_bos_token_id;
  std::vector<TokenId> forced_eos_token_id;
  bool renormalize_logits = false;
  bool remove_invalid_values = false;

  // -- special tokens and stops --
  std::optional<TokenId> bos_token_id;
  std::optional<TokenId> pad_token_id;
  std::vector<TokenId> eos_token_id;
  std::optional<TokenId> decoder_start_token_id;
  std::vector<std::string> stop_strings;

  // -- ours --
  std::vector<TokenId> stop_token_ids;  ///< end a row like eos, but are not kept back by min_length
  std::optional<std::uint64_t> seed;    ///< absent: drawn for each run and reported in the results

  /// The options a model folder recommends: its `generation_config.json`; without one, the
  /// generation keys of its `config.json` (as the reference does); without either, the defaults.
  /// A key of generation_config.json that is not known has no effect but a sentence of warnings().
  /// Throws Error: bad_format, also for a value of the wrong kind; unsupported naming a key that
  /// would change the result and is not implemented; file_not_found for a file that cannot be read.
  static GenerationConfig from_folder(const std::filesystem::path& folder);

  /// Reads one file in the format of `generation_config.json`; errors as above.
  static GenerationConfig from_file(const std::filesystem::path& file);

  /// Sets one option by its name (dashes or underscores). `value` is written as in JSON; a bare
  /// string and a list without brackets (`1,2`) are understood, `null` resets to the default.
  /// `source` is remembered ("flag", "environment", a file name).
  /// Throws Error (invalid_option).
  void set(std::string_view name, std::string_view value, std::string_view source);

  /// Sets all options of a JSON object in the format of `generation_config.json`; `where` is
  /// remembered as their source. Throws as from_folder() does.
  void set_all(std::string_view json, const std::string& where);

  /// The value of an option as JSON text ("null" when absent). Throws Error (invalid_option).
  std::string value(std::string_view name) const;
  /// Where the value came from; "default" when nobody set it by file or set().
  std::string_view source(std::string_view name) const;
  /// All supported options, in the order of this struct.
  static std::span<const std::string_view> names();

  /// Throws Error (blame()) for a value out of range or a combination that makes no sense.
  void validate() const;
  /// What a bad value of this option is, `beside` the others that it does not go with: bad_format
  /// when all that was set of them came with the model, otherwise invalid_option.
  ErrorCode blame(std::string_view name, std::initializer_list<std::string_view> beside = {}) const;
  /// Sentences about keys of the model's files that are no options, and about options that have no
  /// effect as set (temperature without do_sample, ...), for those that did not come with the
  /// model.
  std::vector<std::string> warnings() const;

  /// Names that were set, and by whom. Members assigned directly do not appear.
  std::map<std::string, std::string, std::less<>> sources;
  /// Names whose values came with the model.
  std::set<std::string, std::less<>> recommended;
  /// Keys of the model's files that are no options, and where they stand.
  std::map<std::string, std::string, std::less<>> unknown;
};

}  // namespace llm
