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
  // Truncation and padding are left out: the caller decides how long a prompt may be.
  read_added_tokens(fields, parts);
  return parts;
}

}  // namespace

std::unique_ptr<Tokenizer> open_tokenizer_json(const std::filesystem::path& file,
                                               const TokenizerConfig& config) {
  PipelineParts parts = read_parts(read_json_file(file), file.string());
  apply_tokenizer_config(config, parts);
  return make_pipeline(std::move(parts));
}

}  // namespace llm::detail
