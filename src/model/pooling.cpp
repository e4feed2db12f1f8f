// Reads the files of a sentence-transformers folder: modules.json lists what a text goes through,
// each module has a folder with its own configuration. Reference: sentence_transformers,
// base/modules/transformer.py and sentence_transformer/modules/pooling.py.
#include "llm/model/pooling.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

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

struct Module {
  std::string type;  // the last component of the class
  fs::path folder;
};

[[noreturn]] void fail(const fs::path& file, const std::string& what,
                       ErrorCode code = ErrorCode::bad_format) {
  throw Error(code, file.string() + ": " + what, file.string());
}

// A module lies in the folder itself or directly below it.
bool is_plain_name(const std::string& name) {
  return name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
}

std::vector<Module> read_modules(const fs::path& file) {
  const Json json = detail::read_json_file(file);
  if (!json.is_array() || json.empty()) fail(file, "expected an array of modules");
  std::vector<Module> modules;
  for (const Json& item : json) {
    const auto text = [&](const char* name) {
      const auto found = item.is_object() ? item.find(name) : item.end();
      if (found == item.end() || !found->is_string()) {
        fail(file, "module " + std::to_string(modules.size()) + " has no text " + quote(name));
      }
      return found->get<std::string>();
    };
    const std::string type = text("type"), path = text("path");
    if (!is_plain_name(path)) {
      fail(file, "the path " + quote(path) + " of a module is no folder beside this file");
    }
    const fs::path folder = path.empty() ? file.parent_path() : file.parent_path() / path;
    modules.push_back({type.substr(type.rfind('.') + 1), folder});
  }
  return modules;
}

// Transformer, Pooling, and perhaps Normalize.
void check_modules(const std::vector<Module>& modules, const fs::path& file) {
  constexpr std::string_view expected[] = {"Transformer", "Pooling", "Normalize"};
  for (std::size_t i = 0; i < modules.size(); ++i) {
    if (i < std::size(expected) && modules[i].type == expected[i]) continue;
    fail(file,
         "module " + std::to_string(i) + " is " + quote(modules[i].type) +
             ", which is not supported there; expected Transformer, Pooling and perhaps Normalize",
         ErrorCode::unsupported);
  }
  if (modules.size() < 2) {
    fail(file, "has no Pooling module, expected Transformer, Pooling and perhaps Normalize",
         ErrorCode::unsupported);
  }
}

void read_transformer(const fs::path& folder, SentenceConfig& config) {
  config.model_path = folder;
  for (const char* const name : transformer_configs) {
    std::error_code ignored;
    if (!fs::exists(folder / name, ignored)) continue;
    const ConfigReader json(detail::read_json_file(folder / name), (folder / name).string());
    if (json.has("max_seq_length")) config.max_seq_length = json.size("max_seq_length");
    config.do_lower_case = json.flag("do_lower_case", false);
    return;
  }
}

PoolingMode pooling_mode(const Json& value, const fs::path& file) {
  for (const PoolingName& known : pooling_names) {
    if (value == known.name) return known.mode;
  }
  fail(file,
       "pooling_mode " + quote(value.is_string() ? value.get<std::string>() : value.dump()) +
           " is not supported",
       ErrorCode::unsupported);
}

void read_pooling(const fs::path& folder, SentenceConfig& config) {
  const fs::path file = folder / "config.json";
  const Json json = detail::read_json_file(file);
  if (!json.is_object()) fail(file, "expected a JSON object");
  const ConfigReader reader(json, file.string());
  config.include_prompt = reader.flag("include_prompt", true);
  std::vector<PoolingMode> modes;
  if (const auto found = json.find("pooling_mode"); found != json.end()) {
    for (const Json& value : found->is_array() ? *found : Json::array({*found})) {
      modes.push_back(pooling_mode(value, file));
    }
  } else {
    for (const auto& [name, value] : json.items()) {
      const bool known = std::ranges::any_of(
          pooling_names,
          [&, &flag = name](const PoolingName& entry) { return flag == entry.flag; });
      if (!known && name.starts_with("pooling_mode_") && value != false) {
        fail(file, quote(name) + " is not supported", ErrorCode::unsupported);
      }
    }
    for (const PoolingName& known : pooling_names) {
      if (reader.flag(known.flag, false)) modes.push_back(known.mode);
    }
  }
  if (!modes.empty()) config.pooling = std::move(modes);
}

// Optional, and of later versions.
void read_prompts(const fs::path& file, SentenceConfig& config) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  const Json json = detail::read_json_file(file);
  if (!json.is_object()) fail(file, "expected a JSON object");
  if (const auto prompts = json.find("prompts"); prompts != json.end() && prompts->is_object()) {
    for (const auto& [name, text] : prompts->items()) {
      if (!text.is_string()) fail(file, "prompt " + quote(name) + " is no text");
      config.prompts[name] = text.get<std::string>();
    }
  }
  config.default_prompt_name = ConfigReader(json, file.string()).text("default_prompt_name", "");
  if (!config.default_prompt_name.empty() && !config.prompts.contains(config.default_prompt_name)) {
    fail(file, "default_prompt_name is " + quote(config.default_prompt_name) +
                   ", which is not among the prompts");
  }
}

}  // namespace

std::optional<SentenceConfig> read_sentence_config(const fs::path& folder) {
  const fs::path file = folder / "modules.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  const std::vector<Module> modules = read_modules(file);
  check_modules(modules, file);
  SentenceConfig config;
  read_transformer(modules[0].folder, config);
  read_pooling(modules[1].folder, config);
  config.normalize = modules.size() > 2;
  read_prompts(folder / "config_sentence_transformers.json", config);
  return config;
}

}  // namespace llm
