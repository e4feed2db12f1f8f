#include "shell/opened_model.hpp"

#include <algorithm>
#include <cstdio>

#include "core/json.hpp"
#include "llm/generation/model_generation_config.hpp"
#include "shell/console.hpp"
#include "shell/load.hpp"
#include "shell/model_path.hpp"

namespace llm::shell {
namespace {

TokenId token_of(const std::string& name, const Tokenizer* tokenizer) {
  if (tokenizer != nullptr)
    if (const auto id = tokenizer->id(name)) return *id;
  if (!name.empty() && name.size() < 10 &&
      name.find_first_not_of("0123456789") == std::string::npos)
    return static_cast<TokenId>(std::stol(name));
  throw Error(ErrorCode::invalid_option,
              "--stop-token " + quote(name) +
                  " is no token of this model's vocabulary; tokenize shows how tokens are spelled",
              "--stop-token");
}

// A banned word is banned both at the start of a text and inside it.
std::vector<std::vector<TokenId>> ids_of_words(const std::vector<std::string>& words,
                                               const Tokenizer* tokenizer) {
  if (tokenizer == nullptr)
    throw Error(ErrorCode::invalid_option,
                "--bad-words needs a tokenizer, and this model has none; give --bad-words-ids",
                "--bad-words");
  std::vector<std::vector<TokenId>> all;
  for (const std::string& word : words) {
    for (const std::string& text : {word, " " + word}) {
      std::vector<TokenId> ids = tokenizer->encode(text, {.add_special_tokens = false}).ids;
      if (!ids.empty() && (all.empty() || all.back() != ids)) all.push_back(std::move(ids));
    }
  }
  return all;
}

GenerationConfig configure(const GenerationJob& job, GenerationConfig config,
                           const Tokenizer* tokenizer) {
  // Options that come with the model, but from no file of generation options.
  for (const char* name :
       {"bos_token_id", "pad_token_id", "eos_token_id", "decoder_start_token_id"})
    if (config.source(name) == "default") config.sources[name] = "model";
  apply_settings(config, job.settings);
  if (!job.stop.empty()) {
    config.set("stop_strings", "null", "flag");
    config.stop_strings = job.stop;
    config.sources["stop_strings"] = "flag";
  }
  if (!job.bad_words.empty())
    config.set("bad_words_ids", detail::Json(ids_of_words(job.bad_words, tokenizer)).dump(),
               "flag");
  if (!job.stop_tokens.empty()) {
    std::vector<TokenId> ids;
    for (const std::string& name : job.stop_tokens) ids.push_back(token_of(name, tokenizer));
    config.set("stop_token_ids", detail::Json(ids).dump(), "flag");
  }
  set_default_length(config);
  config.validate();
  if (!config.stop_strings.empty() && tokenizer == nullptr)
    throw Error(ErrorCode::invalid_option,
                "stop strings need a tokenizer, and this model has none; give --stop-token-ids",
                "--stop");
  for (const std::string& warning : config.warnings()) console().warning(warning);
  return config;
}

void show_configuration(const GenerationJob& job, const std::filesystem::path& path,
                        const GenerationConfig& config, const Tokenizer* tokenizer) {
  if (!console().is_verbose()) return;
  console().detail("model = " + path.string() + " (" + job.model_source + ")");
  for (const Adapter& adapter : job.load.adapters) {
    char weight[32];
    std::snprintf(weight, sizeof weight, "%g", adapter.weight);
    console().detail("adapter = " + adapter.path.string() + " (weight " + weight + ")");
  }
  console().detail("tokenizer = " + (tokenizer == nullptr ? "none" : tokenizer->description()));
  for (const TokenizerFile& file : Tokenizer::files(path)) console().detail(file.note);
  console().detail("dtype = " + job.dtype);
  for (const std::string_view name : GenerationConfig::names()) {
    console().detail(std::string(name) + " = " + config.value(name) + " (" +
                     std::string(config.source(name)) + ")");
  }
}

void show_weights(const ModelInfo& info) {
  std::string dtypes;
  for (const std::string& dtype : info.dtypes) dtypes += (dtypes.empty() ? "" : ", ") + dtype;
  console().detail("weights = " + std::to_string(info.parameters) + " values (" + dtypes + "), " +
                   std::to_string(info.weight_bytes) + " bytes in memory");
  for (const std::string& name : info.unused_tensors) console().detail("unused tensor: " + name);
}

}  // namespace

template <typename S>
OpenedModel<S>::OpenedModel(const GenerationJob& job) : path(find_model(job.model)) {
  tokenizer = open_tokenizer(path);
  model = Model<S>::load(path, job.load);
  show_weights(model->info());
  if (job.task) {
    task = job.task(path, model->config(), tokenizer.get());
  } else {
    task.config = model_generation_config(path, model->config());
  }
  task.config = configure(job, std::move(task.config), tokenizer.get());
  show_configuration(job, path, task.config, tokenizer.get());
  if (!task.prefix.empty()) console().detail("prefix = " + quote(task.prefix));
  if (!task.language.empty()) console().detail("language = " + task.language);
}

template struct OpenedModel<float>;
template struct OpenedModel<double>;

}  // namespace llm::shell
