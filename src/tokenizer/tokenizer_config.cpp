#include "tokenizer/tokenizer_config.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <unordered_set>

#include "core/folder.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/tokenizer_class.hpp"
#include "tokenizer/unicode.hpp"

namespace llm::detail {
namespace {

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

// One of the small files, with the order of its keys: it decides the ids of tokens.
struct OrderedFile {
  explicit OrderedFile(const std::filesystem::path& file)
      : OrderedFile(read_file(file, max_config_bytes), file.string()) {}
  OrderedFile(const std::string& text, const std::string& where)
      : json(parse_json(text, where)),
        fields(json, where),
        ordered(parse_ordered_json(text, where)) {}

  Json json;
  JsonFields fields;
  OrderedJson ordered;  // the same
};

// Tokens by a key, in the order in which the keys came.
class TokenList {
 public:
  bool empty() const { return tokens_.empty(); }
  bool contains(const std::string& key) const { return places_.contains(key); }
  // A key that is there keeps its place.
  void set(const std::string& key, AddedToken token) {
    const auto [place, is_new] = places_.try_emplace(key, tokens_.size());
    if (is_new) tokens_.emplace_back();
    tokens_[place->second] = std::move(token);
  }
  void append_to(std::vector<AddedToken>& all) const {
    all.insert(all.end(), tokens_.begin(), tokens_.end());
  }

 private:
  std::vector<AddedToken> tokens_;
  std::unordered_map<std::string, std::size_t> places_;
};

// Special tokens beside the seven names, from all the keys that may list them.
class SpecialTokenLists {
 public:
  // The lists of two files are joined.
  void read(const OrderedFile& file) {
    for (const auto& [name, ignored] : file.ordered.items()) {
      const Json& value = file.json.at(name);
      if (is_own_name(name, value)) {
        own_.set(name, read_named_token(value, file.fields.where() + "." + name));
      }
    }
    read_list(file, "additional_special_tokens", additional_);
    read_list(file, "extra_special_tokens", extra_);
    if (file.fields.find("model_specific_special_tokens") != nullptr) {
      (void)file.fields.object("model_specific_special_tokens");
      read_object(file, "model_specific_special_tokens", given_);
    }
  }

  bool contains(const std::string& content) const {
    return additional_.contains(content) || extra_.contains(content);
  }

  // In the order in which version 5 of the reference adds them: tokens with names of their own,
  // then those of one list. extra_special_tokens is the new name of additional_special_tokens.
  std::vector<AddedToken> all() const {
    std::vector<AddedToken> tokens;
    (own_.empty() ? given_ : own_).append_to(tokens);
    (extra_.empty() ? additional_ : extra_).append_to(tokens);
    return tokens;
  }

 private:
  // "image_token": "<image>", but not "add_bos_token": true.
  static bool is_own_name(const std::string& name, const Json& value) {
    const auto& known = TokenizerConfig::special_names;
    return name.ends_with("_token") && std::find(known.begin(), known.end(), name) == known.end() &&
           (value.is_string() || (value.is_object() && value.contains("__type")));
  }
  static void read_object(const OrderedFile& file, const char* name, TokenList& tokens) {
    const Json& object = file.json.at(name);
    const std::string where = file.fields.where() + "." + name;
    for (const auto& [key, ignored] : file.ordered.at(name).items()) {
      tokens.set(key, read_named_token(object.at(key), where + "." + key));
    }
  }
  void read_list(const OrderedFile& file, const char* name, TokenList& tokens) {
    const Json* list = file.fields.find(name);
    if (list == nullptr) return;
    if (list->is_object()) return read_object(file, name, own_);
    if (!list->is_array()) file.fields.fail(name, "a list of tokens");
    for (const Json& token : *list) {
      AddedToken read = read_named_token(token, file.fields.where() + "." + name);
      const std::string content = read.content;
      if (!tokens.contains(content)) tokens.set(content, std::move(read));
    }
  }

  TokenList additional_, extra_;  // by content
  TokenList own_, given_;         // by name
};

// The named special tokens; null is a name, too: the token is none, whatever the class calls it.
void read_named(const OrderedFile& file, TokenizerConfig& config) {
  for (std::size_t i = 0; i < config.named.size(); ++i) {
    const char* name = TokenizerConfig::special_names[i];
    if (!file.json.contains(name)) continue;
    const Json& field = file.json.at(name);
    config.unnamed[i] = field.is_null();
    config.named[i] =
        field.is_null() ? AddedToken{} : read_named_token(field, file.fields.where() + "." + name);
  }
}

// The tokens that were added to an old folder's vocabulary, with their ids.
void read_added_json(const std::filesystem::path& file, const SpecialTokenLists& lists,
                     TokenizerConfig& config) {
  const Json json = read_json_file(file);
  const JsonFields fields(json, file.string());
  for (const auto& [content, id] : json.items()) {
    if (!id.is_number_integer()) fields.fail(content.c_str(), "a token id");
    const auto named = [&wanted = content](const AddedToken& token) {
      return token.content == wanted;
    };
    const bool special =
        lists.contains(content) || std::any_of(config.named.begin(), config.named.end(), named);
    config.added.emplace_back(
        id.get<TokenId>(),
        AddedToken{.content = content, .special = special, .normalized = !special});
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
  const char* name = fields.contains("model_max_length") ? "model_max_length" : "max_len";
  const Json* field = fields.find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number() || field->get<double>() < 1) fields.fail(name, "a number of tokens");
  constexpr double largest = 1e9;
  if (field->get<double>() > largest) return std::nullopt;
  return static_cast<std::int64_t>(field->get<double>());
}

// Whether a side is the left one.
std::optional<bool> read_side(const JsonFields& fields, const char* name) {
  const std::string side = fields.string_or(name, "");
  if (!side.empty() && side != "left" && side != "right") {
    fields.fail(name, "\"left\" or \"right\"");
  }
  return side.empty() ? std::nullopt : std::optional(side == "left");
}

// Whether models are told which text of a pair a token belongs to.
bool reads_token_types(const JsonFields& fields) {
  if (fields.find("model_input_names") == nullptr) {
    return !fields.string_or("tokenizer_class", "").starts_with("DistilBertTokenizer");
  }
  const Json& names = fields.array("model_input_names");
  return std::find(names.begin(), names.end(), "token_type_ids") != names.end();
}

void read_settings(const JsonFields& fields, TokenizerConfig& config) {
  config.tokenizer_class = plain_class(fields.string_or("tokenizer_class", ""));
  config.has_token_types = reads_token_types(fields);
  config.add_bos = optional_boolean(fields, "add_bos_token");
  config.add_eos = optional_boolean(fields, "add_eos_token");
  config.add_prefix_space = optional_boolean(fields, "add_prefix_space");
  config.clean_up_spaces = optional_boolean(fields, "clean_up_tokenization_spaces");
  config.clean_up_bpe = fields.boolean_or(
      "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output", false);
  config.split_special = fields.boolean_or("split_special_tokens", false);
  config.legacy = optional_boolean(fields, "legacy");
  config.lower_case = optional_boolean(fields, "do_lower_case");
  config.chinese_chars = optional_boolean(fields, "tokenize_chinese_chars");
  config.strip_accents = optional_boolean(fields, "strip_accents");
  config.trim_offsets = optional_boolean(fields, "trim_offsets");
  if (fields.find("extra_ids") != nullptr) config.extra_ids = fields.integer("extra_ids");
  if (fields.find("offset") != nullptr) config.offset = fields.integer("offset");
  config.max_length = read_max_length(fields);
  config.pads_left = read_side(fields, "padding_side");
  config.truncates_left = read_side(fields, "truncation_side");
  config.fixes_mistral = fields.boolean_or("fix_mistral_regex", false);
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
  std::unordered_set<std::string> special;
  for (const AddedToken& token : config.named) special.insert(token.content);
  for (const AddedToken& token : config.extra) special.insert(token.content);
  for (auto [id, token] : config.added) {
    token.special = token.special || special.contains(token.content);
    parts.added.add(token, model, parts.source);
  }
  const auto add_missing = [&](const AddedToken& token) {
    if (parts.added.find(token.content) == nullptr) parts.added.add(token, model, parts.source);
  };
  for (const AddedToken& token : config.named) add_missing(token);
  for (const AddedToken& token : config.extra) add_missing(token);
  if (config.split_special) parts.added.split_special();
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

// fix_mistral_regex is heard for the models that had the fault, saved before it was mended.
bool had_mistral_fault(const std::string& model_type, const std::string& version) {
  static constexpr std::string_view models[] = {"",        "mistral",   "mistral3",
                                                "voxtral", "ministral", "pixtral"};
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major < 5 &&
         std::find(std::begin(models), std::end(models), model_type) != std::end(models);
}

// What config.json says about the tokenizer: its class, unless tokenizer_config.json does.
void read_model_config(const std::filesystem::path& file, TokenizerConfig& config) {
  const bool known = !config.tokenizer_class.empty() && !is_generic_class(config.tokenizer_class);
  if (known && !config.fixes_mistral) return;
  const Json json = read_json_file(file);
  const JsonFields fields(json, file.string());
  const std::string model = fields.string_or("model_type", "");
  const std::string stated = plain_class(fields.string_or("tokenizer_class", ""));
  if (config.tokenizer_class.empty()) {
    config.tokenizer_class = stated.empty() ? class_of_model(model) : stated;
  }
  config.model_class = stated.empty() || is_generic_class(stated) ? class_of_model(model) : stated;
  config.fixes_mistral = config.fixes_mistral &&
                         had_mistral_fault(model, fields.string_or("transformers_version", ""));
}

}  // namespace

std::string TokenizerConfig::name_or(Named which, const std::string& otherwise) const {
  const std::string& content = named[which].content;
  return content.empty() ? otherwise : content;
}

TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder) {
  TokenizerConfig config;
  SpecialTokenLists lists;
  bool lists_added = false;
  if (is_there(folder / "tokenizer_config.json")) {
    const OrderedFile file(folder / "tokenizer_config.json");
    read_settings(file.fields, config);
    read_named(file, config);
    lists.read(file);
    read_added(file.fields, config);
    lists_added = file.json.contains("added_tokens_decoder");
  }
  // The files of old folders; what tokenizer_config.json lists with ids stands for all of them.
  if (!lists_added && is_there(folder / "special_tokens_map.json")) {
    const OrderedFile file(folder / "special_tokens_map.json");
    read_named(file, config);
    lists.read(file);
  }
  if (!lists_added && is_there(folder / "added_tokens.json")) {
    read_added_json(folder / "added_tokens.json", lists, config);
  }
  config.extra = lists.all();
  if (is_there(folder / "chat_template.jinja")) {
    config.chat_template = read_file(folder / "chat_template.jinja", max_template_bytes);
  }
  std::stable_sort(config.added.begin(), config.added.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (is_there(folder / "config.json")) {
    read_model_config(folder / "config.json", config);
  } else {
    config.fixes_mistral = false;  // nothing says that the model had the fault
  }
  return config;
}

bool TokenizerConfig::is_class(std::initializer_list<std::string_view> names) const {
  return std::find(names.begin(), names.end(), tokenizer_class) != names.end();
}

void TokenizerConfig::set_default(Named which, const std::string& content) {
  if (named[which].content.empty()) named[which] = {.content = content, .special = true};
}

std::int64_t checked_count(const char* what, std::optional<std::int64_t> given,
                           std::int64_t otherwise, const std::string& where) {
  constexpr std::int64_t largest = 100'000;
  const std::int64_t count = given.value_or(otherwise);
  if (count >= 0 && count <= largest) return count;
  throw Error(ErrorCode::bad_format,
              where + ": " + what + " of tokenizer_config.json is " + std::to_string(count) +
                  ", expected 0 to " + std::to_string(largest),
              where);
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
    parts.pads_left = config.pads_left.value_or(config.is_class(
        {"LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer"}));
  }
  if (config.truncates_left) parts.truncates_left = config.truncates_left;
  parts.has_token_types = config.has_token_types;
  // Version 5 of the reference cleans up only what was not made by BPE, where it would take real
  // spaces away.
  parts.clean_up_spaces = config.clean_up_spaces.value_or(false) &&
                          (config.clean_up_bpe || parts.model->name() != "BPE");
  set_languages(config, parts);
}

void set_bos_eos(bool bos, bool eos, PipelineParts& parts) {
  parts.post_processor = make_bos_eos(bos ? parts.special.bos.value_or(-1) : -1,
                                      eos ? parts.special.eos.value_or(-1) : -1);
}

void follow_stated_bos_eos(const TokenizerConfig& config, PipelineParts& parts) {
  const bool own_template =
      config.is_class({"RobertaTokenizer", "T5Tokenizer", "BertTokenizer", "XLMRobertaTokenizer",
                       "CamembertTokenizer", "PegasusTokenizer"});
  if ((!config.add_bos && !config.add_eos) || own_template) return;
  set_bos_eos(config.add_bos.value_or(false), config.add_eos.value_or(false), parts);
}

}  // namespace llm::detail
