#include "shell/load.hpp"

#include <utility>

namespace llm::shell {

Precision parse_precision(const std::string& dtype) {
  static constexpr std::pair<std::string_view, Precision> known[] = {
      {"auto", {}},
      {"f32", {.weights = WeightType::f32}},
      {"bf16", {.weights = WeightType::bf16}},
      {"int8", {.weights = WeightType::int8}},
      {"int4", {.weights = WeightType::int4}},
      {"f64", {.f64 = true}}};
  std::string names;
  for (const auto& [name, precision] : known) {
    if (name == dtype) return precision;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw Error(ErrorCode::invalid_option,
              "--dtype " + quote(dtype) + " does not exist; expected one of " + names, "--dtype");
}

KVType parse_kv_type(const std::string& dtype) {
  if (dtype == "f32") return KVType::full;
  if (dtype == "bf16") return KVType::bf16;
  throw Error(ErrorCode::invalid_option,
              "--kv-dtype " + quote(dtype) + " does not exist; expected f32 or bf16", "--kv-dtype");
}

}  // namespace llm::shell
