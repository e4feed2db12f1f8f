#include "chat/template_files.hpp"

#include "core/folder.hpp"
#include "core/gguf.hpp"
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/tokenizer_config.hpp"

namespace llm::detail::jinja {
namespace {

constexpr std::size_t max_templates = 100;

[[noreturn]] void fail_missing(const std::filesystem::path& path, const char* looked_for) {
  throw Error(ErrorCode::unsupported,
              path.string() + ": has no chat template (" + looked_for +
                  "); it may not be a chat model: use generate, or give a template",
              path.string());
}

void read_jinja_files(const std::filesystem::path& folder, TemplateFiles& files) {
  const auto add = [&files](const std::string& name, const std::filesystem::path& file) {
    files.templates[name] = {read_file(file, max_template_bytes), file.string()};
  };
  if (is_there(folder / "chat_template.jinja")) add("default", folder / "chat_template.jinja");
  if (!is_folder(folder / "chat_templates")) return;
  for (const auto& file : files_ending_in(folder / "chat_templates", {".jinja"})) {
    if (files.templates.size() == max_templates)
      throw Error(ErrorCode::bad_format,
                  (folder / "chat_templates").string() + ": holds too many templates",
                  folder.string());
    add(file.stem().string(), file);
  }
}

// Templates used to stand in tokenizer_config.json: one, or a list of named ones.
void read_configured(const std::filesystem::path& folder, TemplateFiles& files) {
  const std::filesystem::path file = folder / "tokenizer_config.json";
  if (!is_there(file)) return;
  const Json json = read_json_file(file);
  const JsonFields fields(json, file.string());
  const std::string where = file.string() + ", \"chat_template\"";
  const Json* field = fields.find("chat_template");
  if (field == nullptr) return;
  if (field->is_string()) {
    files.templates["default"] = {field->get<std::string>(), where};
    return;
  }
  if (!field->is_array()) fields.fail("chat_template", "a template or a list of named templates");
  for (const Json& named : *field) {
    const JsonFields entry(named, where);
    const std::string name = entry.string("name");
    files.templates[name] = {entry.string("template"), where + " " + quote(name)};
  }
}

using SpecialTexts = std::map<std::string, std::string, std::less<>>;

SpecialTexts tokens_of_folder(const std::filesystem::path& folder) {
  SpecialTexts tokens;
  const TokenizerConfig config = read_tokenizer_config(folder);
  for (std::size_t i = 0; i < config.named.size(); ++i) {
    if (!config.named[i].content.empty())
      tokens[TokenizerConfig::special_names[i]] = config.named[i].content;
  }
  return tokens;
}

SpecialTexts tokens_of_gguf(const GgufFile& file) {
  SpecialTexts texts;
  static constexpr std::pair<const char*, const char*> tokens[] = {
      {"bos_token", "bos_token_id"},     {"eos_token", "eos_token_id"},
      {"unk_token", "unknown_token_id"}, {"sep_token", "seperator_token_id"},
      {"pad_token", "padding_token_id"}, {"cls_token", "cls_token_id"},
      {"mask_token", "mask_token_id"}};
  const GgufStrings* vocabulary = file.find_strings("tokenizer.ggml.tokens");
  for (const auto& [name, key] : tokens) {
    const auto id = file.find_int(std::string("tokenizer.ggml.") + key);
    if (!id || vocabulary == nullptr || *id < 0) continue;
    if (static_cast<std::uint64_t>(*id) >= vocabulary->size()) continue;
    texts[name] = (*vocabulary)[static_cast<std::size_t>(*id)];
  }
  return texts;
}

TemplateFiles read_folder(const std::filesystem::path& folder) {
  TemplateFiles files;
  read_jinja_files(folder, files);
  if (files.templates.empty()) read_configured(folder, files);
  if (files.templates.empty())
    fail_missing(folder, "chat_template.jinja, or \"chat_template\" in tokenizer_config.json");
  return files;
}

TemplateFiles read_gguf(const GgufFile& file) {
  const std::string path = file.path().string();
  const auto source = file.find_string("tokenizer.chat_template");
  if (!source) fail_missing(path, "tokenizer.chat_template");
  TemplateFiles files;
  files.templates["default"] = {std::string(*source), path + ", tokenizer.chat_template"};
  return files;
}

TemplateFiles read_one(const std::filesystem::path& file) {
  TemplateFiles files;
  files.templates["default"] = {read_file(file, max_template_bytes), file.string()};
  return files;
}

}  // namespace

TemplateFiles read_template_files(const std::filesystem::path& path,
                                  const std::filesystem::path& instead) {
  if (!is_there(path))
    throw Error(ErrorCode::file_not_found, path.string() + ": no such folder or file",
                path.string());
  if (is_folder(path)) {
    TemplateFiles files = instead.empty() ? read_folder(path) : read_one(instead);
    files.special_tokens = tokens_of_folder(path);
    return files;
  }
  const auto gguf = GgufFile::open(path);
  TemplateFiles files = instead.empty() ? read_gguf(*gguf) : read_one(instead);
  files.special_tokens = tokens_of_gguf(*gguf);
  return files;
}

}  // namespace llm::detail::jinja
