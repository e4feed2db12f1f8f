// adapter_config.json of a LoRA adapter: what its tensors mean to a model. Names and meaning of the
// keys: peft, tuners/lora/config.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"

namespace llm::detail {

class AdapterConfig {
 public:
  // Throws Error: bad_format; unsupported, which names the key that makes it more than plain LoRA.
  explicit AdapterConfig(const std::filesystem::path& file);

  // The factor of B A for a module, by the module's name.
  double scale(std::string_view module, std::int64_t rank) const;
  // Whether weights are stored [inputs, outputs], when nothing else shows it.
  bool transposed() const { return transposed_; }
  // Whether a tensor that is stored whole belongs to a copy of a module that the adapter made.
  // Other such tensors belong to the model itself, with all that is tied to them.
  bool copies(std::string_view tensor) const;
  // Whether what is tied to the token embedding changes with it.
  bool ensures_tying() const { return ensures_tying_; }
  // The tokens whose rows a module's delta has, in its order. Throws Error (bad_format).
  const std::vector<std::int64_t>& token_indices(std::string_view module) const;

 private:
  [[noreturn]] void fail(const std::string& what, bool is_unsupported = false) const;
  void check_keys() const;
  void check_start() const;
  double number(const char* name, double otherwise) const;
  bool flag(const char* name) const;
  // A text or a list of texts; empty when absent.
  std::vector<std::string> texts(const char* name) const;
  void read_alpha_pattern();
  void read_tying();
  void read_token_indices();
  std::vector<std::int64_t> indices(const Json& list) const;

  std::string where_;
  Json json_;
  double alpha_ = 8;
  bool rslora_ = false;
  bool transposed_ = false;
  bool ensures_tying_ = false;
  std::vector<std::pair<std::string, double>> alphas_;
  std::vector<std::string> copied_;
  // By the end of a module's name; the empty name is for all modules.
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> tokens_;
};

}  // namespace llm::detail
