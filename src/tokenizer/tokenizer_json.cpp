// tokenizer.json: the pipeline as the file describes it, step by step.
#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/sources.hpp"

namespace llm::detail {
namespace {

void read_added_tokens(const JsonFields& fields, PipelineParts& parts) {
  if (fields.find("added_tokens") == nullptr) return;
  for (const Json& token : fields.array("added_tokens")) {
    parts.added.add(read_added_token(token, fields.where() + ": added_tokens"),
                    parts.model->vocabulary(), fields.where());
  }
}

PipelineParts read_parts(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  const auto step = [&](const char* name) { return where + ": " + name; };
  PipelineParts parts;
  parts.source = std::filesystem::path(where).filename().string();
  parts.model = read_model(fields.at("model"), step("model"));
  if (const Json* normalizer = fields.find("normalizer")) {
    parts.normalizer = read_normalizer(*normalizer, step("normalizer"));
  }
  if (const Json* pre_tokenizer = fields.find("pre_tokenizer")) {
    parts.pre_tokenizer = read_pre_tokenizer(*pre_tokenizer, step("pre_tokenizer"));
  }
  if (const Json* post_processor = fields.find("post_processor")) {
    parts.post_processor = read_post_processor(*post_processor, step("post_processor"));
  }
  if (const Json* decoder = fields.find("decoder")) {
    parts.decoder = read_decoder(*decoder, step("decoder"));
  }
  // Of truncation and padding only the side is read: the caller decides how long a prompt may be.
  if (fields.find("padding") != nullptr) {
    parts.pads_left = fields.object("padding").string_or("direction", "Right") == "Left";
  }
  read_added_tokens(fields, parts);
  return parts;
}

// The names that the folder's class gives special tokens when the files do not, as far as the
// vocabulary has them.
void set_class_names(const PipelineParts& parts, TokenizerConfig& config) {
  using Config = TokenizerConfig;
  const auto set = [&](Config::Named which, const char* content, bool lstrip = false) {
    if (!config.named[which].content.empty() || !parts.find(content)) return;
    config.named[which] = {.content = content, .special = true};
    config.named[which].lstrip = lstrip;
  };
  if (config.is_class({"BertTokenizer"})) {
    set(Config::unk, "[UNK]");
    set(Config::sep, "[SEP]");
    set(Config::pad, "[PAD]");
    set(Config::cls, "[CLS]");
    set(Config::mask, "[MASK]");
  }
  if (config.is_class({"RobertaTokenizer", "XLMRobertaTokenizer", "CamembertTokenizer"})) {
    set(Config::bos, "<s>");
    set(Config::sep, "</s>");
    set(Config::cls, "<s>");
    set(Config::mask, "<mask>", !config.is_class({"XLMRobertaTokenizer"}));
  }
  if (config.is_class(
          {"RobertaTokenizer", "XLMRobertaTokenizer", "CamembertTokenizer", "T5Tokenizer"})) {
    set(Config::eos, "</s>");
    set(Config::unk, "<unk>");
    set(Config::pad, "<pad>");
  }
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config) {
  PipelineParts parts = read_parts(read_json_file(file), file.string());
  TokenizerConfig named = config;
  set_class_names(parts, named);
  apply_tokenizer_config(named, parts);
  return make_pipeline(std::move(parts));
}

}  // namespace llm::detail
