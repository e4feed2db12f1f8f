// Reads the files of a sentence-transformers folder: modules.json lists what a text goes through,
// each module has a folder with its own configuration. Reference: sentence_transformers,
// base/modules/{transformer,normalize}.py and sentence_transformer/{model,modules/pooling}.py.
#include "llm/model/pooling.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "core/folder.hpp"
#include "core/system_error.hpp"
#include "llm/core/error.hpp"
#include "model/config_reader.hpp"

namespace llm {

namespace {

namespace fs = std::filesystem;
using detail::ConfigReader;
using detail::Json;

// Every family of encoders once had its own name for the same file.
constexpr const char* transformer_configs[] = {
    "sentence_bert_config.json",       "sentence_roberta_config.json",
    "sentence_distilbert_config.json", "sentence_camembert_config.json",
    "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json"};

struct PoolingName {
  const char* flag;  // older files: one flag each, in the order of the results
  const char* name;  // newer files: "pooling_mode"
  PoolingMode mode;
};
constexpr PoolingName pooling_names[] = {
    {"pooling_mode_cls_token", "cls", PoolingMode::cls},
    {"pooling_mode_max_tokens", "max", PoolingMode::max},
    {"pooling_mode_mean_tokens", "mean", PoolingMode::mean},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", PoolingMode::mean_sqrt_len},
    {"pooling_mode_weightedmean_tokens", "weightedmean", PoolingMode::weighted_mean},
    {"pooling_mode_lasttoken", "lasttoken", PoolingMode::last_token}};

// What a key of one of the files may be.
enum class KeyUse {
  read,
  neutral,  // changes no vector
  refused,  // unless it is null, false or empty
};
struct KnownKey {
  std::string_view name;
  KeyUse use;
};

// config_sentence_transformers.json. Which function compares vectors is the caller's choice here.
constexpr KnownKey model_keys[] = {
    {"prompts", KeyUse::read},        {"default_prompt_name", KeyUse::read},
    {"truncate_dim", KeyUse::read},   {"model_type", KeyUse::read},
    {"__version__", KeyUse::neutral}, {"similarity_fn_name", KeyUse::neutral},
    {"requirements", KeyUse::neutral}};

// A module in modules.json. `kwargs` names arguments that only other modules take.
constexpr KnownKey module_keys[] = {{"type", KeyUse::read},
                                    {"path", KeyUse::read},
                                    {"idx", KeyUse::neutral},
                                    {"name", KeyUse::neutral},
                                    {"kwargs", KeyUse::refused}};

// sentence_bert_config.json. Lengths and expansion of queries apply to the tasks "query" and
// "document" of other kinds of models.
constexpr KnownKey transformer_keys[] = {{"max_seq_length", KeyUse::read},
                                         {"do_lower_case", KeyUse::read},
                                         {"transformer_task", KeyUse::read},
                                         {"modality_config", KeyUse::read},
                                         {"module_output_name", KeyUse::read},
                                         {"model_args", KeyUse::read},
                                         {"model_kwargs", KeyUse::read},
                                         {"config_args", KeyUse::read},
                                         {"config_kwargs", KeyUse::read},
                                         {"tokenizer_args", KeyUse::read},
                                         {"processor_kwargs", KeyUse::read},
                                         {"unpad_inputs", KeyUse::neutral},
                                         {"query_length", KeyUse::neutral},
                                         {"document_length", KeyUse::neutral},
                                         {"query_expansion", KeyUse::neutral},
                                         {"processing_kwargs", KeyUse::refused},
                                         {"tokenizer_name_or_path", KeyUse::refused}};

// Arguments of model, configuration and tokenizer in the same file: how they are loaded.
constexpr KnownKey loading_keys[] = {{"attn_implementation", KeyUse::neutral},
                                     {"torch_dtype", KeyUse::neutral},
                                     {"dtype", KeyUse::neutral},
                                     {"add_pooling_layer", KeyUse::neutral},
                                     {"device_map", KeyUse::neutral},
                                     {"low_cpu_mem_usage", KeyUse::neutral},
                                     {"trust_remote_code", KeyUse::neutral},
                                     {"use_safetensors", KeyUse::neutral},
                                     {"unpad_inputs", KeyUse::neutral},
                                     {"use_memory_efficient_attention", KeyUse::neutral},
                                     {"use_cache", KeyUse::neutral},
                                     {"use_fast", KeyUse::neutral},
                                     {"padding_side", KeyUse::neutral},
                                     {"revision", KeyUse::neutral},
                                     {"token", KeyUse::neutral},
                                     {"cache_dir", KeyUse::neutral},
                                     {"local_files_only", KeyUse::neutral}};

// 1_Pooling/config.json, beside the flags above. The width follows from the model.
constexpr KnownKey pooling_keys[] = {{"pooling_mode", KeyUse::read},
                                     {"include_prompt", KeyUse::read},
                                     {"word_embedding_dimension", KeyUse::neutral},
                                     {"embedding_dimension", KeyUse::neutral}};

// 2_Normalize/config.json.
constexpr KnownKey normalize_keys[] = {{"module_input_name", KeyUse::read},
                                       {"module_output_name", KeyUse::read}};

struct Module {
  std::string type;  // the last component of the class
  fs::path folder;
};

[[noreturn]] void fail(const fs::path& file, const std::string& what,
                       ErrorCode code = ErrorCode::bad_format) {
  throw Error(code, file.string() + ": " + what, file.string());
}

std::string shown(const Json& value) {
  return quote(value.is_string() ? value.get<std::string>() : value.dump());
}

bool is_used(const Json& value) {
  return !value.is_null() && value != false && !(value.is_structured() && value.empty());
}

// Refuses the keys that change vectors in a way that is not known here; returns those that nobody
// knows. `below`: what stands before the names in messages.
std::vector<std::string> check_keys(const Json& json, std::span<const KnownKey> known,
                                    const fs::path& file, const std::string& below = "") {
  if (!json.is_object())
    fail(file,
         (below.empty() ? "" : below + " is no object, ") + std::string("expected a JSON object"));
  std::vector<std::string> unknown;
  for (const auto& [name, value] : json.items()) {
    const auto found = std::ranges::find(known, std::string_view(name), &KnownKey::name);
    if (found == known.end() && is_used(value)) {
      unknown.push_back(below + name);
    } else if (found != known.end() && found->use == KeyUse::refused && is_used(value)) {
      fail(file, quote(below + name) + " is " + shown(value) + ", which is not supported",
           ErrorCode::unsupported);
    }
  }
  return unknown;
}

// The same where a key that nobody knows may change the vectors.
void refuse_other_keys(const Json& json, std::span<const KnownKey> known, const fs::path& file,
                       const std::string& below = "") {
  const std::vector<std::string> unknown = check_keys(json, known, file, below);
  if (unknown.empty()) return;
  fail(file, "the key " + quote(unknown.front()) + " is not known, so it is not supported",
       ErrorCode::unsupported);
}

void pass_over(const std::vector<std::string>& unknown, const fs::path& file,
               SentenceConfig& config) {
  for (const std::string& name : unknown) {
    config.unknown_keys.push_back(file.filename().string() + ": " + name);
  }
}

// A text of an object that must be `expected` where it is there.
void expect_text(const Json& json, const char* name, std::string_view expected,
                 const fs::path& file) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null() || *found == expected) return;
  fail(file, quote(name) + " is " + shown(*found) + ", expected " + quote(expected),
       ErrorCode::unsupported);
}

// A module lies in the folder itself or directly below it.
bool is_plain_name(const std::string& name) {
  return name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

Module read_module(const Json& item, const std::string& number, const fs::path& file,
                   SentenceConfig& config) {
  const auto text = [&](const char* name) {
    const auto found = item.is_object() ? item.find(name) : item.end();
    if (found == item.end() || !found->is_string()) {
      fail(file, "module " + number + " has no text " + quote(name));
    }
    return found->get<std::string>();
  };
  const std::string type = text("type"), path = text("path");
  pass_over(check_keys(item, module_keys, file, "module " + number + ": "), file, config);
  if (!is_plain_name(path)) {
    fail(file, "the path " + quote(path) + " of a module is no folder beside this file");
  }
  if (!type.starts_with("sentence_transformers.")) {
    fail(file,
         "module " + number + " is " + quote(type) +
             ", code that comes with the model and is not run; expected a module of "
             "sentence_transformers",
         ErrorCode::unsupported);
  }
  const fs::path folder = path.empty() ? file.parent_path() : file.parent_path() / path;
  return {type.substr(type.rfind('.') + 1), folder};
}

std::vector<Module> read_modules(const fs::path& file, SentenceConfig& config) {
  const Json json = detail::read_json_file(file);
  if (!json.is_array() || json.empty()) fail(file, "expected an array of modules");
  std::vector<Module> modules;
  for (const Json& item : json) {
    Module module = read_module(item, std::to_string(modules.size()), file, config);
    modules.push_back(std::move(module));
  }
  return modules;
}

// Transformer, Pooling, and perhaps Normalize. What drops values while training does nothing here.
void check_modules(std::vector<Module>& modules, const fs::path& file) {
  constexpr std::string_view expected[] = {"Transformer", "Pooling", "Normalize"};
  constexpr std::string_view order =
      "expected Transformer, Pooling and perhaps Normalize, with Dropout among them";
  std::size_t place = 0;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    if (place > 0 && modules[i].type == "Dropout") continue;
    if (place < std::size(expected) && modules[i].type == expected[place]) {
      ++place;
      continue;
    }
    fail(file,
         "module " + std::to_string(i) + " is " + quote(modules[i].type) +
             ", which is not supported there; " + std::string(order),
         ErrorCode::unsupported);
  }
  if (place < 2) {
    fail(file, "has no Pooling module, " + std::string(order), ErrorCode::unsupported);
  }
  std::erase_if(modules, [](const Module& module) { return module.type == "Dropout"; });
}

// Hidden states of the last layer, not a pooler's vector or logits.
void check_modality(const Json& json, const fs::path& file) {
  expect_text(json, "transformer_task", "feature-extraction", file);
  expect_text(json, "module_output_name", "token_embeddings", file);
  const auto modality = json.find("modality_config");
  if (modality == json.end() || modality->is_null()) return;
  const auto text = modality->is_object() ? modality->find("text") : modality->end();
  if (text == modality->end() || !text->is_object()) {
    fail(file, "modality_config has no object \"text\"; only models of texts are supported",
         ErrorCode::unsupported);
  }
  expect_text(*text, "method", "forward", file);
  expect_text(*text, "method_output_name", "last_hidden_state", file);
}

void read_transformer(const fs::path& folder, SentenceConfig& config) {
  config.model_path = folder;
  for (const char* const name : transformer_configs) {
    const fs::path file = folder / name;
    if (!detail::is_there(file)) continue;
    const Json json = detail::read_json_file(file);
    refuse_other_keys(json, transformer_keys, file);
    check_modality(json, file);
    for (const char* arguments : {"model_args", "model_kwargs", "config_args", "config_kwargs",
                                  "tokenizer_args", "processor_kwargs"}) {
      const auto found = json.find(arguments);
      if (found == json.end() || !is_used(*found)) continue;
      refuse_other_keys(*found, loading_keys, file, std::string(arguments) + ".");
    }
    const ConfigReader reader(json, file.string());
    if (reader.has("max_seq_length")) config.max_seq_length = reader.size("max_seq_length");
    config.do_lower_case = reader.flag("do_lower_case", false);
    return;
  }
}

PoolingMode pooling_mode(const Json& value, const fs::path& file) {
  for (const PoolingName& known : pooling_names) {
    if (value == known.name) return known.mode;
  }
  fail(file, "pooling_mode " + shown(value) + " is not supported", ErrorCode::unsupported);
}

std::vector<PoolingMode> read_modes(const Json& json, const fs::path& file) {
  std::vector<PoolingMode> modes;
  if (const auto found = json.find("pooling_mode"); found != json.end()) {
    for (const Json& value : found->is_array() ? *found : Json::array({*found})) {
      modes.push_back(pooling_mode(value, file));
    }
    if (modes.empty()) fail(file, "pooling_mode is empty, expected a name or several");
    return modes;
  }
  const ConfigReader reader(json, file.string());
  for (const PoolingName& known : pooling_names) {
    if (reader.flag(known.flag, false)) modes.push_back(known.mode);
  }
  return modes.empty() ? std::vector{PoolingMode::mean} : modes;
}

void read_pooling(const fs::path& folder, SentenceConfig& config) {
  const fs::path file = folder / "config.json";
  Json json = detail::read_json_file(file);
  if (!json.is_object()) fail(file, "expected a JSON object");
  config.pooling = read_modes(json, file);
  config.include_prompt = ConfigReader(json, file.string()).flag("include_prompt", true);
  for (const PoolingName& known : pooling_names) json.erase(known.flag);
  refuse_other_keys(json, pooling_keys, file);
}

void read_normalize(const fs::path& folder, SentenceConfig& config) {
  config.normalize = true;
  const fs::path file = folder / "config.json";
  if (folder == config.model_path || !detail::is_there(file)) return;
  const Json json = detail::read_json_file(file);
  refuse_other_keys(json, normalize_keys, file);
  expect_text(json, "module_input_name", "sentence_embedding", file);
  expect_text(json, "module_output_name", "sentence_embedding", file);
}

void read_prompts(const Json& json, const fs::path& file, SentenceConfig& config) {
  const auto prompts = json.find("prompts");
  if (prompts != json.end() && !prompts->is_null()) {
    if (!prompts->is_object()) fail(file, "prompts is no object");
    for (const auto& [name, text] : prompts->items()) {
      if (!text.is_string() && !text.is_null()) fail(file, "prompt " + quote(name) + " is no text");
      config.prompts[name] = text.is_null() ? "" : text.get<std::string>();
    }
  }
  config.default_prompt_name = ConfigReader(json, file.string()).text("default_prompt_name", "");
  if (!config.default_prompt_name.empty() && !config.prompts.contains(config.default_prompt_name)) {
    fail(file, "default_prompt_name is " + quote(config.default_prompt_name) +
                   ", which is not among the prompts");
  }
}

// Optional, and of later versions.
void read_settings(const fs::path& file, SentenceConfig& config) {
  if (!detail::is_there(file)) return;
  const Json json = detail::read_json_file(file);
  pass_over(check_keys(json, model_keys, file), file, config);
  expect_text(json, "model_type", "SentenceTransformer", file);
  read_prompts(json, file, config);
  const ConfigReader reader(json, file.string());
  if (reader.has("truncate_dim")) config.truncate_dim = reader.size("truncate_dim");
}

}  // namespace

std::optional<SentenceConfig> read_sentence_config(const fs::path& folder) try {
  const fs::path file = folder / "modules.json";
  if (!detail::is_there(file)) return std::nullopt;
  SentenceConfig config;
  std::vector<Module> modules = read_modules(file, config);
  check_modules(modules, file);
  read_transformer(modules[0].folder, config);
  read_pooling(modules[1].folder, config);
  if (modules.size() > 2) read_normalize(modules[2].folder, config);
  read_settings(folder / "config_sentence_transformers.json", config);
  return config;
} catch (...) {
  detail::rethrow_as_error(folder);
}

}  // namespace llm
