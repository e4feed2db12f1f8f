#include "weights/adapter_config.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "llm/core/error.hpp"

namespace llm::detail {

namespace {

namespace fs = std::filesystem;

// Keys that are read.
constexpr std::string_view read_keys[] = {"peft_type",           "lora_alpha",
                                          "alpha_pattern",       "use_rslora",
                                          "fan_in_fan_out",      "init_lora_weights",
                                          "modules_to_save",     "target_modules",
                                          "ensure_weight_tying", "trainable_token_indices"};

// Keys that change nothing beside the tensors: ranks and modules show in the tensors, the rest is
// about training, about the starting values, or about where things come from.
constexpr std::string_view neutral_keys[] = {"r",
                                             "rank_pattern",
                                             "exclude_modules",
                                             "layers_to_transform",
                                             "layers_pattern",
                                             "lora_dropout",
                                             "task_type",
                                             "auto_mapping",
                                             "base_model_name_or_path",
                                             "revision",
                                             "inference_mode",
                                             "peft_version",
                                             "megatron_core",
                                             "qalora_group_size",
                                             "runtime_config",
                                             "loftq_config",
                                             "eva_config",
                                             "corda_config",
                                             "lora_ga_config",
                                             "velora_config",
                                             "unsloth_fixed"};

// Kinds of initialization that leave the model's weights as they are. The others (pissa, olora,
// corda, loftq, lora_ga) change them before training, and the files do not have the changed
// weights.
constexpr std::string_view plain_starts[] = {"gaussian", "orthogonal", "eva", "mica"};

// The names by which the reference knows embeddings and heads when it ties them.
constexpr std::string_view embedding_names[] = {"embed_tokens", "lm_head"};

template <typename Names>
bool is_among(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::ranges::end(names);
}

std::string value_text(const Json& value) {
  return quote(value.is_string() ? value.get<std::string>() : value.dump());
}

// An option counts as unused when it is absent, null, false, "none" or empty.
bool is_option_used(const Json& value) {
  return !value.is_null() && value != false && value != "none" &&
         !(value.is_structured() && value.empty());
}

bool is_regular_expression(std::string_view text) {
  return text.find_first_of("\\^$*+?()[]{}|") != std::string_view::npos;
}

}  // namespace

AdapterConfig::AdapterConfig(const fs::path& file)
    : where_(file.string()), json_(read_json_file(file)) {
  if (!json_.is_object()) fail("expected a JSON object");
  const auto type = json_.find("peft_type");
  if (type == json_.end() || *type != "LORA") {
    fail("the peft_type is " + (type == json_.end() ? "absent" : value_text(*type)) +
             ", only adapters of type \"LORA\" can be merged",
         true);
  }
  check_keys();
  check_start();
  alpha_ = number("lora_alpha", alpha_);
  rslora_ = flag("use_rslora");
  transposed_ = flag("fan_in_fan_out");
  copied_ = texts("modules_to_save");
  read_alpha_pattern();
  read_tying();
  read_token_indices();
}

void AdapterConfig::fail(const std::string& what, bool is_unsupported) const {
  throw Error(is_unsupported ? ErrorCode::unsupported : ErrorCode::bad_format, where_ + ": " + what,
              where_);
}

// Anything else that is used makes it another kind of adapter, or one of a later version.
void AdapterConfig::check_keys() const {
  for (const auto& [key, value] : json_.items()) {
    if (is_among(read_keys, key) || is_among(neutral_keys, key) || !is_option_used(value)) continue;
    fail(quote(key) + " is " + value_text(value) +
             ", which is not supported; only plain LoRA adapters can be merged",
         true);
  }
}

void AdapterConfig::check_start() const {
  const auto found = json_.find("init_lora_weights");
  if (found == json_.end() || !found->is_string()) return;
  const auto& start = found->get_ref<const std::string&>();
  if (is_among(plain_starts, start)) return;
  fail("init_lora_weights is " + quote(start) +
           ", which changes the weights of the model in a way that the adapter does not hold; "
           "convert it to a plain LoRA adapter with peft",
       true);
}

double AdapterConfig::number(const char* name, double otherwise) const {
  const auto found = json_.find(name);
  if (found == json_.end() || found->is_null()) return otherwise;
  if (!found->is_number()) fail(quote(name) + " is not a number");
  return found->get<double>();
}

bool AdapterConfig::flag(const char* name) const {
  const auto found = json_.find(name);
  if (found == json_.end() || found->is_null()) return false;
  if (!found->is_boolean()) fail(quote(name) + " is neither true nor false");
  return found->get<bool>();
}

std::vector<std::string> AdapterConfig::texts(const char* name) const {
  const auto found = json_.find(name);
  std::vector<std::string> list;
  if (found == json_.end() || found->is_null()) return list;
  for (const Json& item : found->is_array() ? *found : Json::array({*found})) {
    if (!item.is_string()) fail(quote(name) + " has an item that is no text");
    list.push_back(item.get<std::string>());
  }
  return list;
}

// The patterns are regular expressions. In practice people write names of modules, with ^ and \.
// added, so that is what is read.
void AdapterConfig::read_alpha_pattern() {
  const auto found = json_.find("alpha_pattern");
  if (found == json_.end() || !is_option_used(*found)) return;
  if (!found->is_object()) fail("alpha_pattern is not an object");
  for (const auto& [key, value] : found->items()) {
    std::string name = key.starts_with('^') ? key.substr(1) : key;
    for (std::size_t at; (at = name.find("\\.")) != std::string::npos;) name.erase(at, 1);
    if (is_regular_expression(name)) {
      fail("alpha_pattern " + quote(key) +
               " is a regular expression, only names of modules are supported",
           true);
    }
    if (!value.is_number()) fail("alpha_pattern " + quote(key) + " is not a number");
    alphas_.emplace_back(name, value.get<double>());
  }
}

// As in the reference, the option counts when an embedding or a head is among the modules that are
// saved or, if there is none, among those that are changed.
void AdapterConfig::read_tying() {
  if (!flag("ensure_weight_tying")) return;
  const auto is_embedding = [](const std::string& module) {
    return is_among(embedding_names, std::string_view(module).substr(module.rfind('.') + 1));
  };
  const std::vector<std::string> targets = texts("target_modules");
  ensures_tying_ =
      std::ranges::any_of(copied_, is_embedding) || std::ranges::any_of(targets, is_embedding);
  if (ensures_tying_ || targets.size() != 1 || !is_regular_expression(targets.front())) return;
  fail("target_modules is the regular expression " + quote(targets.front()) +
           " beside ensure_weight_tying, only names of modules are supported there",
       true);
}

std::vector<std::int64_t> AdapterConfig::indices(const Json& list) const {
  std::vector<std::int64_t> tokens;
  if (!list.is_array()) fail("trainable_token_indices has no list of token ids");
  for (const Json& item : list) {
    if (!item.is_number_integer() || item < 0) {
      fail("trainable_token_indices has " + value_text(item) + ", which is no token id");
    }
    tokens.push_back(item.get<std::int64_t>());
  }
  return tokens;
}

void AdapterConfig::read_token_indices() {
  const auto found = json_.find("trainable_token_indices");
  if (found == json_.end() || !is_option_used(*found)) return;
  if (!found->is_object()) {
    tokens_.emplace_back("", indices(*found));
    return;
  }
  for (const auto& [module, list] : found->items()) tokens_.emplace_back(module, indices(list));
}

double AdapterConfig::scale(std::string_view module, std::int64_t rank) const {
  std::optional<double> alpha;
  for (const auto& [pattern, value] : alphas_) {
    if (module != pattern && !module.ends_with("." + pattern)) continue;
    if (alpha && *alpha != value) {
      fail("several entries of alpha_pattern apply to " + quote(module) +
               "; name each module by one only",
           true);
    }
    alpha = value;
  }
  return alpha.value_or(alpha_) /
         (rslora_ ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
}

bool AdapterConfig::copies(std::string_view tensor) const {
  for (std::size_t end = tensor.rfind('.'); end != std::string_view::npos && end > 0;
       end = tensor.rfind('.', end - 1)) {
    const std::string_view module = tensor.substr(0, end);
    if (std::ranges::any_of(copied_, [&](const auto& name) { return module.ends_with(name); })) {
      return true;
    }
  }
  return false;
}

const std::vector<std::int64_t>& AdapterConfig::token_indices(std::string_view module) const {
  const auto found = std::ranges::find_if(
      tokens_, [&](const auto& entry) { return module.ends_with(entry.first); });
  if (found != tokens_.end()) return found->second;
  fail("trainable_token_indices says nothing of " + quote(module) +
       ", of which the adapter holds rows");
}

}  // namespace llm::detail
