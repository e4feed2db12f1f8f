#include "model/config_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "llm/core/error.hpp"

namespace llm {

std::string_view to_string(ModelKind kind) {
  switch (kind) {
    case ModelKind::encoder:
      return "encoder";
    case ModelKind::decoder:
      return "decoder";
    case ModelKind::encoder_decoder:
      return "encoder-decoder";
  }
  return "";
}

std::string_view to_string(HeadKind kind) {
  switch (kind) {
    case HeadKind::none:
      return "none";
    case HeadKind::language_model:
      return "language-model";
    case HeadKind::masked_lm:
      return "masked-lm";
    case HeadKind::sequence_classification:
      return "sequence-classification";
    case HeadKind::token_classification:
      return "token-classification";
    case HeadKind::question_answering:
      return "question-answering";
  }
  return "";
}

namespace detail {

HeadKind head_of_architecture(std::string_view architecture) {
  constexpr std::array<std::pair<std::string_view, HeadKind>, 9> endings{{
      {"ForMaskedLM", HeadKind::masked_lm},
      {"ForPreTraining", HeadKind::masked_lm},
      {"ForSequenceClassification", HeadKind::sequence_classification},
      {"ForTokenClassification", HeadKind::token_classification},
      {"ForQuestionAnswering", HeadKind::question_answering},
      {"LMHeadModel", HeadKind::language_model},
      {"ForCausalLM", HeadKind::language_model},
      {"ForConditionalGeneration", HeadKind::language_model},
      {"MTModel", HeadKind::language_model},
  }};
  for (const auto& [ending, head] : endings) {
    if (architecture.ends_with(ending)) return head;
  }
  return HeadKind::none;
}

namespace {

// No dimension of a real model comes near; bounds what is allocated from a number in a file.
constexpr std::int64_t max_size = std::int64_t{1} << 24;

// The names of transformers' ACT2FN (activations.py) that compute these functions.
constexpr std::array<std::pair<std::string_view, Activation>, 14> activations{{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_python_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"relu2", Activation::relu2},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
    {"sigmoid", Activation::sigmoid},
}};

std::optional<std::int64_t> whole_number(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && !std::in_range<std::int64_t>(value.get<std::uint64_t>())) {
    return std::nullopt;
  }
  return value.get<std::int64_t>();
}

}  // namespace

const Json* ConfigReader::member(std::string_view name) const {
  if (!json_->is_object()) return nullptr;
  const auto found = json_->find(name);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

const Json* ConfigReader::find(std::string_view name) const {
  const Json* found = member(name);
  for (const FieldAlias& other : aliases_) {
    if (!found && other.name == name) found = member(other.alias);
  }
  return found;
}

ConfigReader ConfigReader::with_defaults(const Json& fields) const {
  Json json = *json_;
  for (const auto& [name, value] : fields.items()) {
    if (!has(name)) json[name] = value;
  }
  ConfigReader result = *this;
  result.json_ = std::make_shared<const Json>(std::move(json));
  return result;
}

bool ConfigReader::has(std::string_view name) const { return find(name) != nullptr; }

std::string ConfigReader::shown(std::string_view name) const {
  constexpr std::size_t max_bytes = 80;
  const Json* value = find(name);
  if (!value) return has_null(name) ? "null" : "absent";
  return value->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, max_bytes);
}

void ConfigReader::reject(std::string_view name, const std::string& sentence) const {
  throw Error(ErrorCode::bad_format,
              where_ + ": " + std::string(name) + " is " + shown(name) + ", " + sentence,
              std::string(name));
}

void ConfigReader::unsupported(std::string_view name, const std::string& sentence) const {
  throw Error(ErrorCode::unsupported,
              where_ + ": " + std::string(name) + " is " + shown(name) + ", " + sentence,
              std::string(name));
}

void ConfigReader::contradicts(std::string_view name, std::string_view other,
                               const std::string& other_value) const {
  reject(name, "but " + std::string(other) + " is " + other_value +
                   "; the two must say the same: remove the one that is wrong");
}

void ConfigReader::require(std::string_view name, const Json& neutral,
                           const std::string& sentence) const {
  const Json* value = find(name);
  if (value && *value != neutral) unsupported(name, sentence);
}

ConfigReader ConfigReader::with_aliases(std::initializer_list<FieldAlias> aliases) const {
  for (const auto& [alias, name] : aliases) {
    const Json *own = member(name), *other = member(alias);
    if (own && other && *own != *other) contradicts(name, alias, shown(alias));
  }
  ConfigReader result = *this;
  result.aliases_ = aliases;
  return result;
}

std::int64_t ConfigReader::size(std::string_view name) const {
  const Json* value = find(name);
  const std::optional<std::int64_t> number = value ? whole_number(*value) : std::nullopt;
  if (!number || *number < 1 || *number > max_size) {
    reject(name, "expected a whole number from 1 to " + std::to_string(max_size));
  }
  return *number;
}

std::int64_t ConfigReader::size(std::string_view name, std::int64_t otherwise) const {
  return has(name) ? size(name) : otherwise;
}

std::int64_t ConfigReader::size(std::string_view name, std::int64_t otherwise,
                                std::int64_t if_null) const {
  return size(name, has_null(name) ? if_null : otherwise);
}

void ConfigReader::read_heads(std::string_view name, StackConfig& stack) const {
  stack.num_attention_heads = stack.num_key_value_heads = size(name);
  if (stack.hidden_size % stack.num_attention_heads != 0) {
    reject(name, "expected a divisor of the hidden size " + std::to_string(stack.hidden_size));
  }
  stack.head_dim = stack.hidden_size / stack.num_attention_heads;
  stack.attention_scale = 1.0 / std::sqrt(static_cast<double>(stack.head_dim));
}

std::int64_t ConfigReader::count(std::string_view name, std::int64_t otherwise) const {
  const Json* value = find(name);
  return value && whole_number(*value) == 0 ? 0 : size(name, otherwise);
}

bool ConfigReader::has_null(std::string_view name) const {
  const auto found = json_->is_object() ? json_->find(name) : json_->end();
  return found != json_->end() && found->is_null();
}

double ConfigReader::number(std::string_view name) const {
  const Json* value = find(name);
  if (!value || !value->is_number() || !std::isfinite(value->get<double>())) {
    reject(name, "expected a finite number");
  }
  return value->get<double>();
}

double ConfigReader::number(std::string_view name, double otherwise) const {
  return has(name) ? number(name) : otherwise;
}

bool ConfigReader::flag(std::string_view name, bool otherwise) const {
  const Json* value = find(name);
  if (!value) return otherwise;
  if (!value->is_boolean()) reject(name, "expected true or false");
  return value->get<bool>();
}

std::string ConfigReader::text(std::string_view name, std::string otherwise) const {
  const Json* value = find(name);
  if (!value) return otherwise;
  if (!value->is_string()) reject(name, "expected a string");
  return value->get<std::string>();
}

Activation ConfigReader::activation(std::string_view name, std::string_view otherwise) const {
  return activation_in(name, text(name, std::string(otherwise)));
}

Activation ConfigReader::activation_in(std::string_view name, std::string_view spelled) const {
  std::string known;
  for (const auto& [candidate, activation] : activations) {
    if (candidate == spelled) return activation;
    known += (known.empty() ? "" : ", ") + std::string(candidate);
  }
  unsupported(name, "which is not an activation we know; supported: " + known);
}

ConfigReader ConfigReader::object(std::string_view name) const {
  const Json* value = find(name);
  if (value && !value->is_object()) reject(name, "expected an object");
  ConfigReader result(Json::object(), where_ + ": " + std::string(name));
  if (value) result.json_ = {json_, value};  // keeps the whole alive
  return result;
}

std::vector<std::string> ConfigReader::repeated_texts(std::string_view name,
                                                      std::int64_t count) const {
  const Json* value = find(name);
  std::vector<std::string> result;
  try {
    for (const Json& group : value ? *value : Json::array()) {
      const auto names = group.at(0).get<std::vector<std::string>>();
      if (names.empty()) break;
      for (std::int64_t i = whole_number(group.at(1)).value_or(0); i > 0; --i) {
        result.insert(result.end(), names.begin(), names.end());
        if (static_cast<std::int64_t>(result.size()) > count) break;
      }
    }
  } catch (const Json::exception&) {
    reject(name, "expected groups of names and how often they repeat");
  }
  if (static_cast<std::int64_t>(result.size()) != count) {
    reject(name, "expected one name for each of the " + std::to_string(count) + " layers");
  }
  return result;
}

bool ConfigReader::is_any(std::initializer_list<std::string_view> model_types) const {
  return std::ranges::find(model_types, text("model_type", "")) != model_types.end();
}

std::vector<std::string> ConfigReader::texts(std::string_view name) const {
  const Json* value = find(name);
  std::vector<std::string> result;
  if (!value) return result;
  if (!value->is_array()) reject(name, "expected an array of strings");
  for (const Json& element : *value) {
    if (!element.is_string()) reject(name, "expected an array of strings");
    result.push_back(element.get<std::string>());
  }
  return result;
}

std::vector<double> ConfigReader::numbers(std::string_view name) const {
  const Json* value = find(name);
  std::vector<double> result;
  if (!value) return result;
  if (!value->is_array()) reject(name, "expected an array of numbers");
  for (const Json& element : *value) {
    if (!element.is_number()) reject(name, "expected an array of numbers");
    result.push_back(element.get<double>());
  }
  return result;
}

std::optional<TokenId> ConfigReader::token(std::string_view name, std::optional<TokenId> absent,
                                           std::int64_t vocab_size) const {
  const bool fits = absent && *absent < vocab_size;  // a default that is no token of this model
  const std::vector<TokenId> ids =
      tokens(name, fits ? std::vector{*absent} : std::vector<TokenId>());
  if (ids.empty()) return std::nullopt;
  return ids.front();
}

std::vector<TokenId> ConfigReader::tokens(std::string_view name,
                                          std::vector<TokenId> absent) const {
  const Json* value = find(name);
  if (!value && !has_null(name)) return absent;
  std::vector<TokenId> ids;
  if (!value) return ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const Json& id : list) {
    // -1 is how some checkpoints spell "none".
    const std::optional<std::int64_t> number = whole_number(id);
    if (!number || *number < -1 || *number > std::numeric_limits<TokenId>::max()) {
      reject(name, "expected a token id");
    }
    if (*number >= 0) ids.push_back(static_cast<TokenId>(*number));
  }
  return ids;
}

void ConfigReader::read_labels(TransformerConfig& c) const {
  if (const Json* labels = find("id2label")) {
    const auto fail = [&] { reject("id2label", "expected an object of numbers to names"); };
    if (!labels->is_object()) fail();
    for (const auto& [id, label] : labels->items()) {
      std::int64_t number = 0;
      const char* const end = id.data() + id.size();
      const auto [stop, error] = std::from_chars(id.data(), end, number);
      if (error != std::errc() || stop != end || !label.is_string()) fail();
      c.id2label[number] = label.get<std::string>();
    }
  }
  c.num_labels = count("num_labels", 0);
  if (c.id2label.empty()) return;
  const auto named = static_cast<std::int64_t>(c.id2label.size());
  const bool classifies =
      c.head == HeadKind::sequence_classification || c.head == HeadKind::token_classification;
  if (classifies && c.num_labels > 0 && c.num_labels != named) {
    contradicts("num_labels", "the number of names in id2label", std::to_string(named));
  }
  c.num_labels = named;
}

TransformerConfig ConfigReader::common(const SpecialTokens& special) const {
  require("quantization_config", nullptr,
          "weights quantized this way are not supported; give the model before it was quantized");
  require("per_layer_config", Json::object(), "layers that differ this way are not supported");
  require("pruned_heads", Json::object(), "pruned heads are not supported");
  require("tie_encoder_decoder", false, "an encoder tied to its decoder is not supported");
  require("text_config", nullptr,
          "a model inside another one is not supported; give it a config.json of its own");
  TransformerConfig c;
  c.model_type = text("model_type", "");
  c.architectures = texts("architectures");
  c.head = head_.value_or(c.architectures.empty() ? HeadKind::none
                                                  : head_of_architecture(c.architectures.front()));
  c.vocab_size = size("vocab_size");
  c.bos_token_id = token("bos_token_id", special.bos, c.vocab_size);
  c.pad_token_id = token("pad_token_id", special.pad, c.vocab_size);
  c.decoder_start_token_id = token("decoder_start_token_id", special.decoder_start, c.vocab_size);
  const bool has_eos = special.eos && *special.eos < c.vocab_size;
  c.eos_token_id =
      tokens("eos_token_id", has_eos ? std::vector{*special.eos} : std::vector<TokenId>());
  c.problem_type = text("problem_type", "");
  if (!c.problem_type.empty() && c.problem_type != "regression" &&
      c.problem_type != "single_label_classification" &&
      c.problem_type != "multi_label_classification") {
    reject("problem_type",
           "expected regression, single_label_classification or multi_label_classification");
  }
  read_labels(c);
  return c;
}

}  // namespace detail
}  // namespace llm
