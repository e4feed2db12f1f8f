// Reads, merges, checks and prints GenerationConfig: one table of options, and the list of the
// reference's other keys with the values at which they change nothing.
#include "llm/generation/generation_config.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "core/folder.hpp"
#include "core/json.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/unicode.hpp"

namespace llm {

namespace {

using detail::Json;

// --- one value from and to JSON; `false` when it is of the wrong kind or out of range ---

bool read(const Json& json, bool& out) {
  if (!json.is_boolean()) return false;
  out = json.get<bool>();
  return true;
}

bool read(const Json& json, std::int64_t& out) {
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::uint64_t{1} << 62) return false;
  if (json.is_number_float()) {  // 20.0 is written by some tools
    const double value = json.get<double>();
    if (std::abs(value) > 1e15 || std::floor(value) != value) return false;
    out = static_cast<std::int64_t>(value);
    return true;
  }
  if (!json.is_number_integer()) return false;
  out = json.get<std::int64_t>();
  return true;
}

bool read(const Json& json, std::uint64_t& out) {
  if (!json.is_number_unsigned()) return false;
  out = json.get<std::uint64_t>();
  return true;
}

bool read(const Json& json, double& out) {
  if (!json.is_number()) return false;
  out = json.get<double>();
  return std::isfinite(out);
}

bool read(const Json& json, TokenId& out) {
  std::int64_t value = 0;
  if (!json.is_number_integer() || !read(json, value)) return false;
  if (value < std::numeric_limits<TokenId>::min() || value > std::numeric_limits<TokenId>::max()) {
    return false;
  }
  out = static_cast<TokenId>(value);
  return true;
}

bool read(const Json& json, std::string& out) {
  if (!json.is_string()) return false;
  out = json.get<std::string>();
  return true;
}

bool read(const Json& json, EarlyStopping& out) {
  if (json.is_boolean()) {
    out = json.get<bool>() ? EarlyStopping::yes : EarlyStopping::no;
    return true;
  }
  out = EarlyStopping::never;
  return json == "never";
}

// A list; a single value counts as a list of one, except for lists of lists.
template <typename T>
bool read(const Json& json, std::vector<T>& out) {
  std::vector<T> values;
  if (json.is_array()) {
    for (const Json& item : json) {
      if (T value{}; read(item, value)) {
        values.push_back(std::move(value));
      } else {
        return false;
      }
    }
  } else if (T value{}; !json.is_array() && read(json, value)) {
    values.push_back(std::move(value));
  } else {
    return false;
  }
  out = std::move(values);
  return true;
}

bool read(const Json& json, std::vector<std::vector<TokenId>>& out) {
  if (!json.is_array()) return false;
  std::vector<std::vector<TokenId>> lists;
  for (const Json& item : json) {
    if (!item.is_array() || !read(item, lists.emplace_back())) return false;
  }
  out = std::move(lists);
  return true;
}

template <typename T>
bool read(const Json& json, std::optional<T>& out) {
  T value{};
  if (!read(json, value)) return false;
  out = std::move(value);
  return true;
}

template <typename T>
Json write(const T& value) {
  return Json(value);
}

Json write(EarlyStopping value) {
  return value == EarlyStopping::never ? Json("never") : Json(value == EarlyStopping::yes);
}

template <typename T>
Json write(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// As text for people, even if a string is not UTF-8.
std::string spell(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// --- the table of options ---

struct Field {
  std::string_view name;
  std::string_view expected;  // for errors
  std::function<bool(GenerationConfig&, const Json&)> set;
  std::function<void(GenerationConfig&)> reset;
  std::function<Json(const GenerationConfig&)> get;
};

template <typename T>
Field field(std::string_view name, T GenerationConfig::*member, std::string_view expected) {
  return {name, expected,
          [member](GenerationConfig& c, const Json& json) { return read(json, c.*member); },
          [member](GenerationConfig& c) { c.*member = GenerationConfig().*member; },
          [member](const GenerationConfig& c) { return write(c.*member); }};
}

const std::vector<Field>& fields() {
  using C = GenerationConfig;
  constexpr auto integer = "an integer", number = "a number", flag = "true or false";
  constexpr auto token = "a token id", tokens = "a token id or a list of them";
  static const std::vector<Field> table = {
      field("max_length", &C::max_length, integer),
      field("max_new_tokens", &C::max_new_tokens, integer),
      field("min_length", &C::min_length, integer),
      field("min_new_tokens", &C::min_new_tokens, integer),
      field("max_time", &C::max_time, "a number of seconds"),
      field("do_sample", &C::do_sample, flag),
      field("num_beams", &C::num_beams, integer),
      field("early_stopping", &C::early_stopping, "true, false or \"never\""),
      field("length_penalty", &C::length_penalty, number),
      field("num_return_sequences", &C::num_return_sequences, integer),
      field("temperature", &C::temperature, number),
      field("top_k", &C::top_k, integer),
      field("top_p", &C::top_p, number),
      field("min_p", &C::min_p, number),
      field("typical_p", &C::typical_p, number),
      field("repetition_penalty", &C::repetition_penalty, number),
      field("encoder_repetition_penalty", &C::encoder_repetition_penalty, number),
      field("no_repeat_ngram_size", &C::no_repeat_ngram_size, integer),
      field("encoder_no_repeat_ngram_size", &C::encoder_no_repeat_ngram_size, integer),
      field("bad_words_ids", &C::bad_words_ids, "a list of lists of token ids"),
      field("suppress_tokens", &C::suppress_tokens, tokens),
      field("begin_suppress_tokens", &C::begin_suppress_tokens, tokens),
      field("forced_bos_token_id", &C::forced_bos_token_id, token),
      field("forced_eos_token_id", &C::forced_eos_token_id, tokens),
      field("renormalize_logits", &C::renormalize_logits, flag),
      field("remove_invalid_values", &C::remove_invalid_values, flag),
      field("bos_token_id", &C::bos_token_id, token),
      field("pad_token_id", &C::pad_token_id, token),
      field("eos_token_id", &C::eos_token_id, tokens),
      field("decoder_start_token_id", &C::decoder_start_token_id, token),
      field("stop_strings", &C::stop_strings, "a string or a list of strings"),
      field("stop_token_ids", &C::stop_token_ids, tokens),
      field("seed", &C::seed, "an integer from 0 to 2^64 - 1"),
  };
  return table;
}

const Field* find_field(std::string_view name) {
  const auto at = std::ranges::find(fields(), name, &Field::name);
  return at == fields().end() ? nullptr : &*at;
}

// --- keys of the reference that are not implemented ---

// The values at which such a key changes nothing, as JSON; null always is one.
struct UnsupportedKey {
  std::string_view name;
  std::string_view neutral;
};

constexpr std::array unsupported_keys{
    UnsupportedKey{"epsilon_cutoff", "[0, 0.0]"},
    UnsupportedKey{"eta_cutoff", "[0, 0.0]"},
    UnsupportedKey{"top_h", "[]"},
    UnsupportedKey{"exponential_decay_length_penalty", "[]"},
    UnsupportedKey{"sequence_bias", "[]"},
    UnsupportedKey{"token_healing", "[false]"},
    UnsupportedKey{"guidance_scale", "[1, 1.0]"},
    UnsupportedKey{"watermarking_config", "[]"},
    UnsupportedKey{"num_beam_groups", "[1]"},
    UnsupportedKey{"diversity_penalty", "[0, 0.0]"},
    UnsupportedKey{"penalty_alpha", "[0, 0.0]"},
    UnsupportedKey{"dola_layers", "[]"},
    UnsupportedKey{"constraints", "[[]]"},
    UnsupportedKey{"force_words_ids", "[[]]"},
    UnsupportedKey{"speculation_type", "[]"},
    UnsupportedKey{"forced_decoder_ids", "[[]]"},
    UnsupportedKey{"assistant_ensemble_weight", "[]"},
};

// Keys that say how fast to generate, or what else to return, but not what. Accepted in files.
constexpr std::array<std::string_view, 32> harmless_keys{
    "use_cache",
    "cache_implementation",
    "cache_config",
    "max_cache_len",
    "return_legacy_cache",
    "low_memory",
    "prefill_chunk_size",
    "continuous_batching_config",
    "compile_config",
    "disable_compile",
    "use_mtp",
    "is_assistant",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "assistant_confidence_threshold",
    "prompt_lookup_num_tokens",
    "max_matching_ngram_size",
    "assistant_early_exit",
    "assistant_lookbehind",
    "target_lookbehind",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
    "trust_remote_code",
    "generation_kwargs",
    "transformers_version",
    "_from_model_config",
    "force_bos_token_to_be_generated",  // but where _from_model_config is true
    "_commit_hash",
    "_name_or_path",
};

const UnsupportedKey* find_unsupported(std::string_view name) {
  const auto at = std::ranges::find(unsupported_keys, name, &UnsupportedKey::name);
  return at == unsupported_keys.end() ? nullptr : &*at;
}

bool is_harmless(std::string_view name) { return std::ranges::count(harmless_keys, name) > 0; }

// The error for an unknown option, with the one that may be meant.
std::string unknown_sentence(std::string_view name, std::string_view source,
                             std::string_view what) {
  std::vector<std::string_view> known;
  for (const Field& f : fields()) known.push_back(f.name);
  for (const UnsupportedKey& key : unsupported_keys) known.push_back(key.name);
  known.insert(known.end(), harmless_keys.begin(), harmless_keys.end());
  const std::string_view near = nearest_name(name, known.data(), known.size());
  std::string sentence =
      std::string(source) + ": " + quote(name) + " is not a generation option" + std::string(what);
  if (!near.empty()) sentence += "; did you mean " + quote(near) + "?";
  return sentence;
}

[[noreturn]] void refuse_unknown(std::string_view name, std::string_view source) {
  throw Error(ErrorCode::invalid_option, unknown_sentence(name, source, ""), std::string(name));
}

[[noreturn]] void refuse_option(ErrorCode code, std::string_view name, std::string_view source,
                                std::string_view why) {
  throw Error(
      code, std::string(source) + ": the generation option " + quote(name) + " " + std::string(why),
      std::string(name));
}

// `code`: of the error when a value has the wrong kind.
void assign(GenerationConfig& config, std::string_view name, const Json& json,
            std::string_view source, ErrorCode code) {
  const Field* field = find_field(name);
  config.recommended.erase(std::string(name));
  if (json.is_null()) {
    field->reset(config);
    config.sources.erase(std::string(name));
    return;
  }
  if (!field->set(config, json)) {
    throw Error(code,
                "the generation option " + quote(name) + " (" + std::string(source) + ") must be " +
                    std::string(field->expected) + ", got " + spell(json).substr(0, 80),
                std::string(name));
  }
  config.sources[std::string(name)] = source;
}

// One key of a file. `strict`: unknown keys become warnings (config.json has many others).
void assign_from_file(GenerationConfig& config, const std::string& name, const Json& json,
                      const std::string& source, bool strict) {
  if (json.is_null()) return;
  if (find_field(name)) {
    assign(config, name, json, source, ErrorCode::bad_format);
    config.recommended.insert(name);
  } else if (const UnsupportedKey* key = find_unsupported(name)) {
    const Json neutral = Json::parse(key->neutral);
    if (std::ranges::count(neutral, json) == 0) {
      refuse_option(ErrorCode::unsupported, name, source,
                    "is set to " + quote(spell(json)) +
                        " and is not supported; remove it from the file to go on without it");
    }
  } else if (strict && !is_harmless(name)) {
    config.unknown[name] = source;
  }
}

void require_object(const Json& json, const std::string& file) {
  if (!json.is_object()) {
    throw Error(ErrorCode::bad_format, file + ": expected a JSON object with generation options",
                file);
  }
}

void assign_all(GenerationConfig& config, const Json& options, const std::string& where) {
  require_object(options, where);
  for (const auto& [name, value] : options.items()) {
    assign_from_file(config, name, value, where, true);
  }
}

// What old files of BART have instead of forced_bos_token_id.
void force_bos(GenerationConfig& config, const Json& json) {
  const auto force = json.find("force_bos_token_to_be_generated");
  if (force != json.end() && *force == true) config.forced_bos_token_id = config.bos_token_id;
}

// The generation keys of a config.json, as the reference reads them when there is no
// generation_config.json: first the outer ones, then those of the nested decoder that are not set
// yet.
GenerationConfig from_model_config(const std::filesystem::path& file) {
  const Json json = detail::read_json_file(file);
  const std::string where = file.string();
  require_object(json, where);
  GenerationConfig config;
  for (const auto& [name, value] : json.items()) {
    assign_from_file(config, name, value, where, false);
  }
  for (const char* part : {"decoder", "generator", "text_config"}) {
    const auto nested = json.find(part);
    if (nested == json.end() || !nested->is_object() || nested->empty()) continue;
    for (const auto& [name, value] : nested->items()) {
      if (!config.sources.contains(name)) assign_from_file(config, name, value, where, false);
    }
    break;
  }
  force_bos(config, json);
  return config;
}

// Makes JSON of what a person writes: a bare word or string, `1,2`, or JSON itself.
Json parse_text(const Field& field, std::string_view text) {
  const bool is_list = field.expected.find("list") != std::string_view::npos;
  const bool is_json = !text.empty() && (text.front() == '[' || text.front() == '"');
  if (field.name == "stop_strings" && !is_json && text != "null") return Json(text);
  std::string spelled(text);
  if (is_list && !is_json && text.find(',') != std::string_view::npos)
    spelled = "[" + spelled + "]";
  try {
    return detail::parse_json(spelled, std::string(field.name));
  } catch (const Error&) {
    return Json(text);  // a bare word; the field refuses it if it wants none
  }
}

// --- checks ---

[[noreturn]] void refuse_value(std::string_view name, const GenerationConfig& config,
                               std::string_view expected,
                               std::initializer_list<std::string_view> beside = {}) {
  throw Error(config.blame(name, beside),
              "the generation option " + quote(name) + " (" + std::string(config.source(name)) +
                  ") must be " + std::string(expected) + ", got " + config.value(name),
              std::string(name));
}

void check_lengths(const GenerationConfig& c) {
  if (c.max_length && *c.max_length < 1) refuse_value("max_length", c, "at least 1");
  if (c.max_new_tokens && *c.max_new_tokens < 1) refuse_value("max_new_tokens", c, "at least 1");
  if (c.min_length < 0) refuse_value("min_length", c, "at least 0");
  if (c.min_new_tokens && *c.min_new_tokens < 0) refuse_value("min_new_tokens", c, "at least 0");
  if (c.max_time && !(*c.max_time >= 0)) refuse_value("max_time", c, "at least 0");
  if (c.max_new_tokens && c.min_new_tokens && *c.min_new_tokens > *c.max_new_tokens) {
    refuse_value("min_new_tokens", c, "at most max_new_tokens", {"max_new_tokens"});
  }
}

void check_distribution(const GenerationConfig& c) {
  // Files of greedy models have "temperature": 0.
  if ((c.do_sample && !(c.temperature > 0)) || c.temperature < 0 || !std::isfinite(c.temperature)) {
    refuse_value("temperature", c, "above 0 (for the most probable token set do_sample to false)",
                 {"do_sample"});
  }
  if (c.top_k < 0) refuse_value("top_k", c, "at least 0");
  if (!(c.top_p >= 0 && c.top_p <= 1)) refuse_value("top_p", c, "from 0 to 1");
  if (c.min_p && !(*c.min_p >= 0 && *c.min_p <= 1)) refuse_value("min_p", c, "from 0 to 1");
  if (!(c.typical_p > 0 && c.typical_p <= 1)) refuse_value("typical_p", c, "above 0, at most 1");
  for (const auto name : {"repetition_penalty", "encoder_repetition_penalty"}) {
    const double penalty = name[0] == 'r' ? c.repetition_penalty : c.encoder_repetition_penalty;
    if (!(penalty > 0) || !std::isfinite(penalty)) refuse_value(name, c, "above 0");
  }
  if (c.no_repeat_ngram_size < 0) refuse_value("no_repeat_ngram_size", c, "at least 0");
  if (c.encoder_no_repeat_ngram_size < 0) {
    refuse_value("encoder_no_repeat_ngram_size", c, "at least 0");
  }
}

void check_sequences(const GenerationConfig& c) {
  constexpr std::int64_t most = 4096;  // each is a row of the batch
  if (c.num_beams < 1 || c.num_beams > most) refuse_value("num_beams", c, "from 1 to 4096");
  if (c.num_return_sequences < 1 || c.num_return_sequences > most) {
    refuse_value("num_return_sequences", c, "from 1 to 4096");
  }
  if (!std::isfinite(c.length_penalty)) refuse_value("length_penalty", c, "a finite number");
  if (c.num_return_sequences == 1) return;
  if (c.num_beams == 1 && !c.do_sample) {
    refuse_value("num_return_sequences", c,
                 "1 for greedy decoding (every sequence would be the same); set do_sample, or "
                 "num_beams to at least as many",
                 {"do_sample", "num_beams"});
  }
  if (c.num_beams > 1 && c.num_return_sequences > c.num_beams) {
    refuse_value("num_return_sequences", c, "at most num_beams", {"num_beams"});
  }
}

void check_tokens(const GenerationConfig& c) {
  const auto forced_and_suppressed = [&](std::string_view name, std::span<const TokenId> forced) {
    const auto suppressed = [&](TokenId id) {
      return std::ranges::count(c.suppress_tokens, id) > 0;
    };
    if (!forced.empty() && std::ranges::all_of(forced, suppressed)) {
      refuse_value(name, c, "a token that suppress_tokens does not ban", {"suppress_tokens"});
    }
  };
  if (c.forced_bos_token_id) {
    forced_and_suppressed("forced_bos_token_id", std::span(&*c.forced_bos_token_id, 1));
  }
  forced_and_suppressed("forced_eos_token_id", c.forced_eos_token_id);
  const auto negative = [](TokenId id) { return id < 0; };
  for (const auto& word : c.bad_words_ids) {
    if (word.empty() || std::ranges::any_of(word, negative)) {
      refuse_value("bad_words_ids", c, "lists of at least one token id that is not negative");
    }
  }
  for (const std::string& stop : c.stop_strings) {
    if (stop.empty()) refuse_value("stop_strings", c, "strings of at least one character");
    if (detail::find_invalid_utf8(stop)) refuse_value("stop_strings", c, "UTF-8");
  }
}

}  // namespace

GenerationConfig GenerationConfig::from_folder(const std::filesystem::path& folder) try {
  const auto own = folder / "generation_config.json";
  if (detail::is_there(own)) return from_file(own);
  const auto model = folder / "config.json";
  if (detail::is_there(model)) return from_model_config(model);
  return {};
} catch (...) {
  detail::rethrow_as_error(folder);
}

GenerationConfig GenerationConfig::from_file(const std::filesystem::path& file) try {
  GenerationConfig config;
  const Json json = detail::read_json_file(file);
  assign_all(config, json, file.string());
  if (const auto from = json.find("_from_model_config"); from != json.end() && *from == true)
    force_bos(config, json);
  return config;
} catch (...) {
  detail::rethrow_as_error(file);
}

void GenerationConfig::set_all(std::string_view json, const std::string& where) {
  assign_all(*this, detail::parse_json(json, where), where);
}

void GenerationConfig::set(std::string_view name, std::string_view value, std::string_view source) {
  std::string key(name);
  std::ranges::replace(key, '-', '_');
  const Field* field = find_field(key);
  if (field)
    return assign(*this, key, parse_text(*field, value), source, ErrorCode::invalid_option);
  constexpr auto code = ErrorCode::invalid_option;
  if (find_unsupported(key)) refuse_option(code, key, source, "is not supported");
  if (is_harmless(key)) {
    refuse_option(code, key, source, "has no effect on what is generated here; leave it out");
  }
  refuse_unknown(key, source);
}

std::string GenerationConfig::value(std::string_view name) const {
  const Field* field = find_field(name);
  if (!field) refuse_unknown(name, "generation configuration");
  return spell(field->get(*this));
}

std::string_view GenerationConfig::source(std::string_view name) const {
  const auto at = sources.find(name);
  return at == sources.end() ? std::string_view("default") : std::string_view(at->second);
}

std::span<const std::string_view> GenerationConfig::names() {
  static const std::vector<std::string_view> list = [] {
    std::vector<std::string_view> result;
    for (const Field& f : fields()) result.push_back(f.name);
    return result;
  }();
  return list;
}

void GenerationConfig::validate() const {
  check_lengths(*this);
  check_distribution(*this);
  check_sequences(*this);
  check_tokens(*this);
}

ErrorCode GenerationConfig::blame(std::string_view name,
                                  std::initializer_list<std::string_view> beside) const {
  const auto is_set_by_caller = [&](std::string_view other) {
    return sources.contains(other) && !recommended.contains(other);
  };
  const bool came_with_model =
      recommended.contains(name) && std::ranges::none_of(beside, is_set_by_caller);
  return came_with_model ? ErrorCode::bad_format : ErrorCode::invalid_option;
}

std::vector<std::string> GenerationConfig::warnings() const {
  std::vector<std::string> result;
  for (const auto& [name, where] : unknown)
    result.push_back(unknown_sentence(name, where, " that is known here, and is ignored"));
  const GenerationConfig standard;
  const auto warn = [&](std::string_view name, std::string_view needs) {
    if (recommended.contains(name) || value(name) == standard.value(name)) return;
    result.push_back("the generation option " + std::string(name) + " = " + value(name) +
                     " has no effect without " + std::string(needs));
  };
  if (!do_sample) {
    for (const auto name : {"temperature", "top_k", "top_p", "min_p", "typical_p"}) {
      warn(name, "do_sample");
    }
  }
  if (num_beams == 1) {
    for (const auto name : {"early_stopping", "length_penalty"}) warn(name, "num_beams above 1");
  }
  return result;
}

}  // namespace llm
