// tokenizer.json: the pipeline as the file describes it, step by step.
#include <algorithm>
#include <numeric>

#include "core/json.hpp"
#include "llm/core/error.hpp"
#include "tokenizer/class_steps.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/sources.hpp"
#include "tokenizer/tokenizer_class.hpp"

namespace llm::detail {
namespace {

void read_added_tokens(const JsonFields& fields, PipelineParts& parts) {
  if (fields.find("added_tokens") == nullptr) return;
  for (const Json& token : fields.array("added_tokens")) {
    parts.added.add(read_added_token(token, fields.where() + ": added_tokens"),
                    parts.model->vocabulary(), fields.where());
  }
}

std::size_t count_objects(const Json& json) {
  return std::accumulate(json.begin(), json.end(), std::size_t{json.is_object() ? 1U : 0U},
                         [](std::size_t sum, const Json& part) {
                           return sum + (part.is_structured() ? count_objects(part) : 0);
                         });
}

// Every step may be a regular expression to compile.
void check_steps(const JsonFields& fields) {
  constexpr std::size_t most = 10'000;
  for (const char* name : {"normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    const Json* step = fields.find(name);
    if (step == nullptr || !step->is_structured() || count_objects(*step) <= most) continue;
    throw Error(ErrorCode::bad_format,
                fields.where() + ": " + name + " has more than " + std::to_string(most) +
                    " parts, which no sound tokenizer needs",
                fields.where());
  }
}

PipelineParts read_parts(const Json& json, const std::string& where) {
  const JsonFields fields(json, where);
  check_steps(fields);
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
  if (fields.find("truncation") != nullptr) {
    parts.truncates_left = fields.object("truncation").string_or("direction", "Right") == "Left";
  }
  if (fields.find("padding") != nullptr) {
    parts.pads_left = fields.object("padding").string_or("direction", "Right") == "Left";
  }
  read_added_tokens(fields, parts);
  return parts;
}

// T5's class has its sentinels, whether the file lists them or not.
void add_sentinels(const std::string& where, TokenizerConfig& config) {
  const auto is_sentinel = [](const AddedToken& token) {
    return token.content.find("<extra_id_") != std::string::npos;
  };
  if (!config.is_class({"T5Tokenizer"})) return;
  if (std::any_of(config.extra.begin(), config.extra.end(), is_sentinel)) return;
  const std::int64_t count = checked_count("extra_ids", config.extra_ids, 100, where);
  for (std::int64_t i = 0; i < count; ++i) {
    config.extra.push_back({.content = "<extra_id_" + std::to_string(i) + ">", .special = true});
  }
}

// The token that padding is said to be made of, unless the folder or its class names one.
void name_padding(const JsonFields& fields, TokenizerConfig& config) {
  AddedToken& pad = config.named[TokenizerConfig::pad];
  const bool named = !pad.content.empty() || config.unnamed[TokenizerConfig::pad];
  if (named || fields.find("padding") == nullptr) return;
  pad = {.content = fields.object("padding").string_or("pad_token", ""), .special = true};
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& given) {
  const std::string where = file.string();
  Json json = read_json_file(file, max_table_bytes);
  TokenizerConfig config = given;
  follow_class(config, json);
  PipelineParts parts = read_parts(json, where);
  set_class_names(config.tokenizer_class, nullptr, config);
  name_padding(JsonFields(json, where), config);
  add_sentinels(where, config);
  apply_tokenizer_config(config, parts);
  follow_bos_eos(config, parts);
  return make_pipeline(std::move(parts));
}

}  // namespace llm::detail
