#include "model/config_reader.hpp"

#include <algorithm>
#include <array>
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
constexpr std::array<std::pair<std::string_view, Activation>, 13> activations{{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"gelu_python_tanh", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_accurate", Activation::gelu_tanh},
    {"quick_gelu", Activation::quick_gelu},
    {"relu", Activation::relu},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
    {"sigmoid", Activation::sigmoid},
}};

}  // namespace

const Json* ConfigReader::find(std::string_view name) const {
  if (!json_.is_object()) return nullptr;
  const auto found = json_.find(name);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

bool ConfigReader::has(std::string_view name) const { return find(name) != nullptr; }

void ConfigReader::reject(std::string_view name, const std::string& sentence) const {
  const Json* value = find(name);
  throw Error(ErrorCode::bad_format,
              where_ + ": " + std::string(name) + " is " +
                  (value ? value->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80)
                         : std::string("absent")) +
                  ", " + sentence,
              std::string(name));
}

void ConfigReader::unsupported(std::string_view name, const std::string& sentence) const {
  const Json* value = find(name);
  throw Error(ErrorCode::unsupported,
              where_ + ": " + std::string(name) + " is " +
                  (value ? value->dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80)
                         : std::string("absent")) +
                  ", " + sentence,
              std::string(name));
}

std::int64_t ConfigReader::size(std::string_view name) const {
  const Json* value = find(name);
  if (!value || !value->is_number_integer() || value->get<std::int64_t>() < 1 ||
      value->get<std::int64_t>() > max_size) {
    reject(name, "expected a whole number from 1 to " + std::to_string(max_size));
  }
  return value->get<std::int64_t>();
}

std::int64_t ConfigReader::size(std::string_view name, std::int64_t otherwise) const {
  return has(name) ? size(name) : otherwise;
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
  if (value && value->is_number_integer() && value->get<std::int64_t>() == 0) return 0;
  return size(name, otherwise);
}

bool ConfigReader::has_null(std::string_view name) const {
  const auto found = json_.is_object() ? json_.find(name) : json_.end();
  return found != json_.end() && found->is_null();
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
  const std::string spelled = text(name, std::string(otherwise));
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
  return {value ? *value : Json::object(), where_ + ": " + std::string(name)};
}

std::vector<std::string> ConfigReader::repeated_texts(std::string_view name,
                                                      std::int64_t count) const {
  const Json* value = find(name);
  std::vector<std::string> result;
  try {
    for (const Json& group : value ? *value : Json::array()) {
      const auto names = group.at(0).get<std::vector<std::string>>();
      if (names.empty()) break;
      for (std::int64_t i = group.at(1).get<std::int64_t>(); i > 0; --i) {
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

std::optional<TokenId> ConfigReader::token(std::string_view name) const {
  const std::vector<TokenId> ids = tokens(name);
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
    if (!id.is_number_integer() || id.get<std::int64_t>() < -1 ||
        id.get<std::int64_t>() > std::numeric_limits<TokenId>::max()) {
      reject(name, "expected a token id");
    }
    if (id.get<std::int64_t>() >= 0) ids.push_back(static_cast<TokenId>(id.get<std::int64_t>()));
  }
  return ids;
}

TransformerConfig ConfigReader::common() const {
  TransformerConfig c;
  c.model_type = text("model_type", "");
  c.architectures = texts("architectures");
  c.head = head_.value_or(c.architectures.empty() ? HeadKind::none
                                                  : head_of_architecture(c.architectures.front()));
  c.vocab_size = size("vocab_size");
  c.bos_token_id = token("bos_token_id");
  c.pad_token_id = token("pad_token_id");
  c.decoder_start_token_id = token("decoder_start_token_id");
  c.eos_token_id = tokens("eos_token_id");
  c.problem_type = text("problem_type", "");
  if (const Json* labels = find("id2label"); labels && labels->is_object()) {
    for (const auto& [id, label] : labels->items()) {
      char* end = nullptr;
      const long long number = std::strtoll(id.c_str(), &end, 10);
      if (*end != '\0' || !label.is_string()) reject("id2label", "expected numbers to names");
      c.id2label[number] = label.get<std::string>();
    }
  }
  c.num_labels =
      c.id2label.empty() ? count("num_labels", 0) : static_cast<std::int64_t>(c.id2label.size());
  return c;
}

}  // namespace detail
}  // namespace llm
