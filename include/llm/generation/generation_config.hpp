/// \file
/// The options of generation, with the names and defaults of Hugging Face's generation
/// configuration. The logits processors, the sampler, beam search and the stop rules are made from
/// them.
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

/// Plain values in three layers: the defaults, over them what the model's folder says, over that
/// what the caller says. Start with from_folder(), then assign members, or call set() to have
/// source() remember who said it. An empty list means that the option is not given.
struct GenerationConfig {
  // -- length --
  /// Most tokens of the whole decoder sequence (for a decoder: with the prompt). With neither this
  /// nor max_new_tokens, the reference's default holds: 20 new tokens.
  std::optional<std::int64_t> max_length;
  std::optional<std::int64_t> max_new_tokens;  ///< wins over max_length
  std::int64_t min_length = 0;                 ///< no end-of-sequence token before this length
  std::optional<std::int64_t> min_new_tokens;  ///< wins over min_length
  std::optional<double> max_time;              ///< seconds from the start of a row

  // -- strategy --
  bool do_sample = false;      ///< draw tokens at random instead of taking the most probable
  std::int64_t num_beams = 1;  ///< 1: no beam search
  EarlyStopping early_stopping = EarlyStopping::no;  ///< of beam search
  /// Of beam search: a sequence's score is its log-probability divided by length^length_penalty.
  double length_penalty = 1.0;
  std::int64_t num_return_sequences = 1;  ///< results for each prompt

  // -- the distribution that is sampled (do_sample) --
  double temperature = 1.0;     ///< above 0; logits are divided by it
  std::int64_t top_k = 50;      ///< draw from the k most probable tokens; 0: off
  double top_p = 1.0;           ///< draw from the most probable tokens that make up p; 1: off
  std::optional<double> min_p;  ///< leave out what is less probable than min_p times the best
  double typical_p = 1.0;       ///< locally typical sampling; 1: off

  // -- penalties and bans --
  double repetition_penalty = 1.0;          ///< above 1: tokens of the sequence become less likely
  double encoder_repetition_penalty = 1.0;  ///< above 1: tokens of the source become more likely
  std::int64_t no_repeat_ngram_size = 0;    ///< no n-gram of this size twice; 0: off
  std::int64_t encoder_no_repeat_ngram_size = 0;    ///< none of the source's either; 0: off
  std::vector<std::vector<TokenId>> bad_words_ids;  ///< these sequences of tokens never occur
  std::vector<TokenId> suppress_tokens;             ///< never chosen
  std::vector<TokenId> begin_suppress_tokens;       ///< never chosen first
  std::optional<TokenId> forced_bos_token_id;       ///< the token after the decoder's start
  std::vector<TokenId> forced_eos_token_id;  ///< one of these is the last token at max_length
  bool renormalize_logits = false;           ///< make log-probabilities of the processed scores
  bool remove_invalid_values = false;        ///< go on when a logit is NaN or infinite

  // -- special tokens and stops --
  std::optional<TokenId> bos_token_id;            ///< begins a sequence
  std::optional<TokenId> pad_token_id;            ///< see padded_sequences()
  std::vector<TokenId> eos_token_id;              ///< each of these ends a sequence
  std::optional<TokenId> decoder_start_token_id;  ///< what an encoder-decoder's decoder reads first
  std::vector<std::string> stop_strings;          ///< each of these ends a text, and is cut off

  // -- not in Hugging Face's configuration --
  std::vector<TokenId> stop_token_ids;  ///< end a row as eos does, but min_length does not ban them
  std::optional<std::uint64_t> seed;    ///< absent: drawn for each run, and given in the results

  /// The options that a model's folder recommends: its `generation_config.json`, or without one the
  /// generation keys of its `config.json` (as the reference does), or the defaults. An unknown key
  /// of `generation_config.json` only adds a sentence to warnings(). Throws Error: bad_format, also
  /// for a value of the wrong kind; unsupported naming a key that would change the result and is
  /// not implemented; file_not_found for a file that cannot be read.
  static GenerationConfig from_folder(const std::filesystem::path& folder);

  /// Reads one file in the format of `generation_config.json`. Throws as from_folder().
  static GenerationConfig from_file(const std::filesystem::path& file);

  /// Sets one option by its name (with dashes or underscores). `value` is written as in JSON; a
  /// bare string and a list without brackets (`1,2`) are understood too, `null` resets to the
  /// default. `source` is remembered ("flag", "environment", a file name). Throws Error
  /// (invalid_option).
  void set(std::string_view name, std::string_view value, std::string_view source);

  /// Sets all options of a JSON object in the format of `generation_config.json`; `where` is
  /// remembered as their source. Throws as from_folder() does.
  void set_all(std::string_view json, const std::string& where);

  /// The value of an option as JSON text ("null" when absent). Throws Error (invalid_option).
  std::string value(std::string_view name) const;
  /// Where the value came from; "default" unless a file or set() set it.
  std::string_view source(std::string_view name) const;
  /// All supported options, in the order of this struct.
  static std::span<const std::string_view> names();

  /// Throws Error (blame()) for a value out of range or a combination that makes no sense.
  void validate() const;
  /// The error code for a bad value of this option, or for one that does not fit the options in
  /// `beside`: bad_format when all of them that were set came with the model, else invalid_option.
  ErrorCode blame(std::string_view name, std::initializer_list<std::string_view> beside = {}) const;
  /// Sentences about unknown keys of the model's files, and about options that have no effect as
  /// they are set (temperature without do_sample, ...) and did not come with the model.
  std::vector<std::string> warnings() const;

  /// The options that were set, and by whom; not those that were assigned directly.
  std::map<std::string, std::string, std::less<>> sources;
  /// The options whose values came with the model.
  std::set<std::string, std::less<>> recommended;
  /// Unknown keys of the model's files, each with the file it is in.
  std::map<std::string, std::string, std::less<>> unknown;
};

}  // namespace llm
