#include "shell/load.hpp"

namespace llm::shell {

Precision parse_precision(const std::string& dtype) {
  if (dtype == "f64") return {.f64 = true};
  if (const auto weights = weight_type_from_name(dtype)) return {.weights = *weights};
  throw Error(ErrorCode::invalid_option,
              "--dtype " + quote(dtype) +
                  " does not exist; expected one of auto, f32, bf16, int8, int8-channel, int4, f64",
              "--dtype");
}

KVType parse_kv_type(const std::string& dtype) {
  if (dtype == "f32") return KVType::full;
  if (dtype == "bf16") return KVType::bf16;
  throw Error(ErrorCode::invalid_option,
              "--kv-dtype " + quote(dtype) + " does not exist; expected f32 or bf16", "--kv-dtype");
}

}  // namespace llm::shell
