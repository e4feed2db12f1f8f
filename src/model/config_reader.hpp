// Typed, bounded access to a model's configuration: `config.json`, or GGUF metadata under the same
// names. Every number is checked before it becomes a size.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "llm/nn/transformer_config.hpp"

namespace llm::detail {

// The head that an architecture's name promises ("BertForMaskedLM"); none for a bare model or a
// name that we do not know.
HeadKind head_of_architecture(std::string_view architecture);

// What a field of config.json is called beside its own name (the reference's attribute_map).
struct FieldAlias {
  std::string_view alias;
  std::string_view name;
};

// Special tokens that a family's configuration has where the file does not name them.
struct SpecialTokens {
  std::optional<TokenId> bos, eos, pad, decoder_start;
};

class ConfigReader {
 public:
  // `where` names the file in errors; `head` is asked for instead of the one that the file names.
  ConfigReader(Json json, std::string where, std::optional<HeadKind> head = std::nullopt)
      : json_(std::make_shared<const Json>(std::move(json))),
        where_(std::move(where)),
        head_(head) {}

  const std::string& where() const { return where_; }
  // The same where a field that is absent may stand under another name. Throws bad_format where
  // both are there and differ.
  ConfigReader with_aliases(std::initializer_list<FieldAlias> aliases) const;
  // The same with these fields where they are absent or null.
  ConfigReader with_defaults(const Json& fields) const;
  bool has(std::string_view name) const;  // present and not null

  // A size: 1 <= value <= 2^31 - 1. The first overload throws bad_format when it is absent.
  std::int64_t size(std::string_view name) const;
  std::int64_t size(std::string_view name, std::int64_t otherwise) const;
  // Sets the numbers of heads, their width and the usual scale of their scores from a field that
  // must divide hidden_size.
  void read_heads(std::string_view name, StackConfig& stack) const;
  // As size(), but 0 is allowed.
  std::int64_t count(std::string_view name, std::int64_t otherwise) const;
  // As size(), but null is `if_null`, which is not always what an absent field is.
  std::int64_t size(std::string_view name, std::int64_t otherwise, std::int64_t if_null) const;
  // Present and null: how some files switch a feature off.
  bool has_null(std::string_view name) const;
  // A finite number; must be present, or `otherwise`.
  double number(std::string_view name) const;
  double number(std::string_view name, double otherwise) const;
  bool flag(std::string_view name, bool otherwise) const;
  std::string text(std::string_view name, std::string otherwise) const;
  Activation activation(std::string_view name, std::string_view otherwise) const;
  // The activation that a part of a field's text names.
  Activation activation_in(std::string_view name, std::string_view spelled) const;
  // An object inside, empty when absent.
  ConfigReader object(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  // GPT-Neo's form: [[["a", "b"], 2], ...] is a, b, a, b, ...; must give `count` names.
  std::vector<std::string> repeated_texts(std::string_view name, std::int64_t count) const;
  // Whether model_type is one of these: for a family's own differences.
  bool is_any(std::initializer_list<std::string_view> model_types) const;
  // A token id or a list of them; empty when it is null.
  std::vector<TokenId> tokens(std::string_view name, std::vector<TokenId> absent = {}) const;
  std::vector<double> numbers(std::string_view name) const;  // empty when absent

  // The fields that every configuration shares: model_type, architectures, head (none where they do
  // not say), vocabulary, token ids, labels. Refuses those that change what any model computes and
  // are not supported.
  TransformerConfig common(const SpecialTokens& special = {}) const;

  // Throws unsupported when the field is there and neither null nor `neutral`, the value with which
  // it has no effect.
  void require(std::string_view name, const Json& neutral, const std::string& sentence) const;
  // The value of a field as an error shows it.
  std::string shown(std::string_view name) const;

  // Throws bad_format / unsupported about one field: "FILE: NAME is VALUE, SENTENCE".
  [[noreturn]] void reject(std::string_view name, const std::string& sentence) const;
  [[noreturn]] void unsupported(std::string_view name, const std::string& sentence) const;
  // Throws bad_format about a field that another one contradicts.
  [[noreturn]] void contradicts(std::string_view name, std::string_view other,
                                const std::string& other_value) const;

  const Json& json() const { return *json_; }

 private:
  // Neither absent nor null; member() under this very name.
  const Json* find(std::string_view name) const;
  const Json* member(std::string_view name) const;
  std::optional<TokenId> token(std::string_view name, std::optional<TokenId> absent,
                               std::int64_t vocab_size) const;
  void read_labels(TransformerConfig& c) const;

  std::shared_ptr<const Json> json_;
  std::vector<FieldAlias> aliases_;
  std::string where_;
  std::optional<HeadKind> head_;
};

}  // namespace llm::detail
