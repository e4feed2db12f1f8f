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
    for (const Json& token : *list) {
      config.extra.push_back(read_named_token(token, fields.where() + "." + name));
    }
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
  std::sort(config.added.begin(), config.added.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
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

void read_settings(const JsonFields& fields, TokenizerConfig& config) {
  config.tokenizer_class = fields.string_or("tokenizer_class", "");
  if (config.tokenizer_class.ends_with("Fast")) {
    config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  }
  config.add_bos = optional_boolean(fields, "add_bos_token");
  config.add_eos = optional_boolean(fields, "add_eos_token");
  config.add_prefix_space = optional_boolean(fields, "add_prefix_space");
  config.clean_up_spaces = optional_boolean(fields, "clean_up_tokenization_spaces");
  config.legacy = optional_boolean(fields, "legacy");
  config.lower_case = optional_boolean(fields, "do_lower_case");
  if (fields.find("extra_ids") != nullptr) config.extra_ids = fields.integer("extra_ids");
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
  if (exists("config.json")) {
    const Json json = read_json_file(folder / "config.json");
    config.model_type =
        JsonFields(json, (folder / "config.json").string()).string_or("model_type", "");
  }
  return config;
}

void apply_tokenizer_config(const TokenizerConfig& config, PipelineParts& parts) {
  add_tokens(config, parts);
  using Config = TokenizerConfig;
  const auto find = [&](Config::Named which) { return id_of(config.named[which], parts); };
  parts.special = {find(Config::bos), find(Config::eos), find(Config::unk), find(Config::sep),
                   find(Config::pad), find(Config::cls), find(Config::mask)};
  parts.chat_template = config.chat_template;
  // The reference cleans up only what was not made by BPE, where it would take real spaces away.
  parts.clean_up_spaces = config.clean_up_spaces.value_or(false) && parts.model->name() != "BPE";
  const std::string& kind = config.tokenizer_class;
  const bool own_template = kind == "RobertaTokenizer" || kind == "BartTokenizer" ||
                            kind == "T5Tokenizer" || kind == "BertTokenizer";
  if ((config.add_bos || config.add_eos) && !own_template) {
    const bool bos = config.add_bos.value_or(false);
    const bool eos = config.add_eos.value_or(false);
    parts.post_processor = make_bos_eos(bos ? parts.special.bos.value_or(-1) : -1,
                                        eos ? parts.special.eos.value_or(-1) : -1);
  }
}

}  // namespace llm::detail
