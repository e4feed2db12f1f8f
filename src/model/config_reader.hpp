// Typed, bounded access to a model's configuration: `config.json`, or GGUF metadata under the same
// names. Every number is checked before it becomes a size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "llm/nn/transformer_config.hpp"

namespace llm::detail {

class ConfigReader {
 public:
  // `where` names the file in errors.
  ConfigReader(Json json, std::string where) : json_(std::move(json)), where_(std::move(where)) {}

  const std::string& where() const { return where_; }
  bool has(std::string_view name) const;  // present and not null

  // A size: 1 <= value <= 2^31 - 1. The first overload throws bad_format when it is absent.
  std::int64_t size(std::string_view name) const;
  std::int64_t size(std::string_view name, std::int64_t otherwise) const;
  // A finite number; must be present, or `otherwise`.
  double number(std::string_view name) const;
  double number(std::string_view name, double otherwise) const;
  bool flag(std::string_view name, bool otherwise) const;
  std::string text(std::string_view name, std::string otherwise) const;
  Activation activation(std::string_view name, std::string_view otherwise) const;
  // An object inside, empty when absent.
  ConfigReader object(std::string_view name) const;
  std::vector<double> numbers(std::string_view name) const;  // empty when absent

  // The fields that every configuration shares: model_type, architectures, vocabulary, token ids,
  // labels.
  TransformerConfig common() const;

  // Throws bad_format / unsupported about one field: "FILE: NAME is VALUE, SENTENCE".
  [[noreturn]] void reject(std::string_view name, const std::string& sentence) const;
  [[noreturn]] void unsupported(std::string_view name, const std::string& sentence) const;

 private:
  const Json* find(std::string_view name) const;
  std::optional<TokenId> token(std::string_view name) const;
  std::vector<TokenId> tokens(std::string_view name) const;

  Json json_;
  std::string where_;
};

}  // namespace llm::detail
