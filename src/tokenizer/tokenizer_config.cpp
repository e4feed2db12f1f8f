#include "tokenizer/tokenizer_config.hpp"

#include <algorithm>
#include <charconv>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

constexpr std::size_t max_template_bytes = std::size_t{4} << 20U;

// A token is named by its text or by an object with flags.
AddedToken read_named_token(const Json& json, const std::string& where) {
  AddedToken token;
  if (json.is_string()) {
    token.content = json.get<std::string>();
  } else {
    token = read_added_token(json, where);
  }
  token.special = true;
  return token;
}

void read_named(const JsonFields& fields, TokenizerConfig& config) {
  for (std::size_t i = 0; i < config.named.size(); ++i) {
    const char* name = TokenizerConfig::special_names[i];
    const Json* field = fields.find(name);
    if (field == nullptr || !config.named[i].content.empty()) continue;
    config.named[i] = read_named_token(*field, fields.where() + "." + name);
  }
  for (const char* name : {"additional_special_tokens", "extra_special_tokens"}) {
    const Json* list = fields.find(name);
    if (list == nullptr || !config.extra.empty()) continue;
    if (!list->is_array() && !list->is_object()) fields.fail(name, "a list of tokens");
    for (const Json& token : *list) {
      config.extra.push_back(read_named_token(token, fields.where() + "." + name));
    }
  }
}

// The tokens that were added to an old folder's vocabulary, with their ids.
void read_added_json(const std::filesystem::path& file, TokenizerConfig& config) {
  const Json json = read_json_file(file);
  const JsonFields fields(json, file.string());
  for (const auto& [content, id] : json.items()) {
    if (!id.is_number_integer()) fields.fail(content.c_str(), "a token id");
    const bool known = std::any_of(
        config.added.begin(), config.added.end(),
        [&wanted = content](const auto& added) { return added.second.content == wanted; });
    if (known) continue;
    config.added.emplace_back(id.get<TokenId>(),
                              AddedToken{.content = content, .normalized = true});
  }
}

void read_added(const JsonFields& fields, TokenizerConfig& config) {
  if (fields.find("added_tokens_decoder") == nullptr) return;
  const JsonFields decoder = fields.object("added_tokens_decoder");
  for (const auto& [key, token] : fields.at("added_tokens_decoder").items()) {
    TokenId id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0) {
      decoder.fail(key.c_str(), "a token id as its name");
    }
    config.added.emplace_back(id, read_added_token(token, decoder.where() + "." + key));
  }
}

// The class that the reference opens a folder of this model type with.
std::string class_of_model(const std::string& model_type) {
  static constexpr std::pair<std::string_view, std::string_view> classes[] = {
      {"bert", "BertTokenizer"},
      {"distilbert", "BertTokenizer"},
      {"roberta", "RobertaTokenizer"},
      {"bart", "RobertaTokenizer"},
      {"longformer", "RobertaTokenizer"},
      {"led", "RobertaTokenizer"},
      {"mvp", "RobertaTokenizer"},
      {"xlm-roberta", "XLMRobertaTokenizer"},
      {"camembert", "CamembertTokenizer"},
      {"openai-gpt", "OpenAIGPTTokenizer"},
      {"gpt2", "GPT2Tokenizer"},
      {"gpt_neo", "GPT2Tokenizer"},
      {"llama", "LlamaTokenizer"},
      {"mistral", "LlamaTokenizer"},
      {"qwen2", "Qwen2Tokenizer"},
      {"qwen3", "Qwen2Tokenizer"},
      {"t5", "T5Tokenizer"},
      {"mt5", "T5Tokenizer"},
      {"umt5", "T5Tokenizer"},
      {"mbart", "MBartTokenizer"},
      {"mbart50", "MBart50Tokenizer"},
      {"marian", "MarianTokenizer"},
      {"pegasus", "PegasusTokenizer"},
      {"clip", "CLIPTokenizer"},
      {"clip_text_model", "CLIPTokenizer"},
  };
  const auto* found = std::find_if(std::begin(classes), std::end(classes),
                                   [&](const auto& entry) { return entry.first == model_type; });
  return found == std::end(classes) ? std::string() : std::string(found->second);
}

// Classes that were named for a model and are the same as another one, and those of no kind.
std::string plain_class(std::string name) {
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  static constexpr std::pair<std::string_view, std::string_view> same[] = {
      {"DistilBertTokenizer", "BertTokenizer"},
      {"ElectraTokenizer", "BertTokenizer"},
      {"BartTokenizer", "RobertaTokenizer"},
      {"LEDTokenizer", "RobertaTokenizer"},
      {"LongformerTokenizer", "RobertaTokenizer"},
      {"MvpTokenizer", "RobertaTokenizer"},
      {"MT5Tokenizer", "T5Tokenizer"},
      {"Qwen3Tokenizer", "Qwen2Tokenizer"},
      {"PreTrainedTokenizer", ""},
      {"TokenizersBackend", ""},
  };
  for (const auto& [from, to] : same) {
    if (name == from) return std::string(to);
  }
  return name;
}

std::string read_template(const JsonFields& fields) {
  const Json* field = fields.find("chat_template");
  if (field == nullptr) return {};
  if (field->is_string()) return field->get<std::string>();
  if (!field->is_array()) fields.fail("chat_template", "a template or a list of named templates");
  for (const Json& named : *field) {  // several templates by name: "default" is the one for chat
    const JsonFields entry(named, fields.where() + ".chat_template");
    if (entry.string("name") == "default") return entry.string("template");
  }
  return {};
}

std::optional<bool> optional_boolean(const JsonFields& fields, const char* name) {
  if (fields.find(name) == nullptr) return std::nullopt;
  return fields.boolean(name);
}

// The reference writes 1e30 where there is no limit.
std::optional<std::int64_t> read_max_length(const JsonFields& fields) {
  const Json* field = fields.find("model_max_length");
  if (field == nullptr) return std::nullopt;
  if (!field->is_number() || field->get<double>() < 1) {
    fields.fail("model_max_length", "a number of tokens");
  }
  constexpr double largest = 1e9;
  if (field->get<double>() > largest) return std::nullopt;
  return static_cast<std::int64_t>(field->get<double>());
}

std::optional<bool> read_padding_side(const JsonFields& fields) {
  const std::string side = fields.string_or("padding_side", "");
  if (!side.empty() && side != "left" && side != "right") {
    fields.fail("padding_side", "\"left\" or \"right\"");
  }
  return side.empty() ? std::nullopt : std::optional(side == "left");
}

void read_settings(const JsonFields& fields, TokenizerConfig& config) {
  config.tokenizer_class = plain_class(fields.string_or("tokenizer_class", ""));
  config.add_bos = optional_boolean(fields, "add_bos_token");
  config.add_eos = optional_boolean(fields, "add_eos_token");
  config.add_prefix_space = optional_boolean(fields, "add_prefix_space");
  config.clean_up_spaces = optional_boolean(fields, "clean_up_tokenization_spaces");
  config.legacy = optional_boolean(fields, "legacy");
  config.lower_case = optional_boolean(fields, "do_lower_case");
  config.chinese_chars = optional_boolean(fields, "tokenize_chinese_chars");
  config.strip_accents = optional_boolean(fields, "strip_accents");
  config.trim_offsets = optional_boolean(fields, "trim_offsets");
  if (fields.find("extra_ids") != nullptr) config.extra_ids = fields.integer("extra_ids");
  if (fields.find("offset") != nullptr) config.offset = fields.integer("offset");
  config.max_length = read_max_length(fields);
  config.pads_left = read_padding_side(fields);
  config.separate_vocabularies = fields.boolean_or("separate_vocabs", false);
  config.source_language = fields.string_or("src_lang", "");
  config.target_language = fields.string_or("tgt_lang", "");
  if (fields.find("mask_token_sent") != nullptr) {
    config.sentence_mask =
        read_named_token(fields.at("mask_token_sent"), fields.where() + ".mask_token_sent").content;
  }
  config.chat_template = read_template(fields);
}

std::optional<TokenId> id_of(const AddedToken& token, const PipelineParts& parts) {
  return token.content.empty() ? std::nullopt : parts.find(token.content);
}

void add_tokens(const TokenizerConfig& config, PipelineParts& parts) {
  const Vocabulary& model = parts.model->vocabulary();
  for (const auto& [id, token] : config.added) parts.added.add(token, model, parts.source);
  const auto add_missing = [&](const AddedToken& token) {
    if (parts.added.find(token.content) == nullptr) parts.added.add(token, model, parts.source);
  };
  for (const AddedToken& token : config.named) add_missing(token);
  for (const AddedToken& token : config.extra) add_missing(token);
}

// mBART marks texts with their language, whatever a tokenizer.json beside it says.
void set_languages(const TokenizerConfig& config, PipelineParts& parts) {
  if (!config.is_class({"MBartTokenizer", "MBart50Tokenizer"})) return;
  const std::string& named = config.source_language;
  LanguageMarks marks;
  if (config.is_class({"MBart50Tokenizer"})) marks.place = LanguageMarks::Place::before_text;
  marks.source = named.empty() ? "en_XX" : named;
  marks.target = config.target_language.empty() ? marks.source : config.target_language;
  const auto eos = parts.find(config.name_or(TokenizerConfig::eos, "</s>"));
  for (const std::string& language : {marks.source, marks.target}) {
    if (parts.find(language) && eos) continue;
    throw Error(ErrorCode::bad_format,
                parts.source + ": the language " + quote(language) +
                    " or the end of sentence token is not in the vocabulary; src_lang and tgt_lang "
                    "of tokenizer_config.json must be codes such as \"en_XX\"",
                parts.source);
  }
  marks.eos = *eos;
  parts.languages = std::move(marks);
}

}  // namespace

std::string TokenizerConfig::name_or(Named which, const std::string& otherwise) const {
  const std::string& content = named[which].content;
  return content.empty() ? otherwise : content;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  const auto exists = [&](const char* name) { return std::filesystem::exists(folder / name); };
  if (exists("tokenizer_config.json")) {
    const Json json = read_json_file(folder / "tokenizer_config.json");
    const JsonFields fields(json, (folder / "tokenizer_config.json").string());
    read_settings(fields, config);
    read_named(fields, config);
    read_added(fields, config);
  }
  if (exists("special_tokens_map.json")) {
    const Json json = read_json_file(folder / "special_tokens_map.json");
    read_named(JsonFields(json, (folder / "special_tokens_map.json").string()), config);
  }
  if (exists("chat_template.jinja")) {
    config.chat_template = read_file(folder / "chat_template.jinja", max_template_bytes);
  }
  if (exists("added_tokens.json")) read_added_json(folder / "added_tokens.json", config);
  std::stable_sort(config.added.begin(), config.added.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (config.tokenizer_class.empty() && exists("config.json")) {
    const Json json = read_json_file(folder / "config.json");
    const JsonFields fields(json, (folder / "config.json").string());
    config.tokenizer_class = plain_class(fields.string_or("tokenizer_class", ""));
    if (config.tokenizer_class.empty()) {
      config.tokenizer_class = class_of_model(fields.string_or("model_type", ""));
    }
  }
  return config;
}

bool TokenizerConfig::is_class(std::initializer_list<std::string_view> names) const {
  return std::find(names.begin(), names.end(), tokenizer_class) != names.end();
}

void TokenizerConfig::set_default(Named which, const std::string& content) {
  if (named[which].content.empty()) named[which] = {.content = content, .special = true};
}

void apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts) {
  add_tokens(config, parts);
  using Config = TokenizerConfig;
  const auto find = [&](Config::Named which) { return id_of(config.named[which], parts); };
  parts.special = {find(Config::bos), find(Config::eos), find(Config::unk), find(Config::sep),
                   find(Config::pad), find(Config::cls), find(Config::mask)};
  parts.chat_template = config.chat_template;
  parts.max_length = config.max_length;
  if (config.pads_left || !parts.pads_left) {
    parts.pads_left = config.pads_left.value_or(config.is_class({"LlamaTokenizer"}));
  }
  // The reference cleans up only what was not made by BPE, where it would take real spaces away.
  parts.clean_up_spaces = config.clean_up_spaces.value_or(false) && parts.model->name() != "BPE";
  set_languages(config, parts);
  const bool own_template =
      config.is_class({"RobertaTokenizer", "T5Tokenizer", "BertTokenizer", "XLMRobertaTokenizer",
                       "CamembertTokenizer", "PegasusTokenizer"});
  if ((config.add_bos || config.add_eos) && !own_template) {
    const bool bos = config.add_bos.value_or(false);
    const bool eos = config.add_eos.value_or(false);
    parts.post_processor = make_bos_eos(bos ? parts.special.bos.value_or(-1) : -1,
                                        eos ? parts.special.eos.value_or(-1) : -1);
  }
}

}  // namespace llm::detail
