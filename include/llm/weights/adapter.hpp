/// \file
/// LoRA adapters (arXiv:2106.09685) as PEFT writes them, merged into the weights while a model is
/// loaded: between WeightStore and WeightBinder.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/weights/weight_store.hpp"

namespace llm {

/// A LoRA adapter to merge.
struct Adapter {
  std::filesystem::path path;  ///< folder with adapter_config.json and adapter_model.safetensors
  double weight = 1;           ///< how much of it is added: 1 as trained, 0 nothing
};

/// What adapters must know of a model's modules. Files keep one tensor for several tied modules;
/// adapters tell these modules apart.
struct AdaptedModules {
  /// Modules that share one weight, the token embedding first: "model.embed_tokens", "lm_head".
  std::vector<std::string> tied = {};
  /// Last parts of the names of modules whose weights are stored [inputs, outputs] ("c_attn");
  /// absent: as the adapter says (fan_in_fan_out).
  std::optional<std::vector<std::string>> transposed = {};
  /// The name of the LM head's bias, when it is not below the name of the head.
  std::string head_bias = {};
};

/// The tensors of `base` with all adapters added: W + sum of weight * scale * B A, where scale is
/// alpha / r (alpha / sqrt(r) with use_rslora). The sum is computed in float64 and rounded once to
/// the type of the stored tensor. Modules that an adapter has saved whole (modules_to_save) replace
/// those of `base`; only one adapter may do so for a module, and only with weight 1. The same holds
/// for the rows of single tokens (trainable_token_indices).
///
/// As in the reference, changing one of `modules.tied` leaves the others as they are: the LM head
/// keeps the weight that the embedding had. They change together with ensure_weight_tying, for rows
/// of single tokens, and where the adapter stores the model's own embedding (a vocabulary that
/// grew).
///
/// The weights must be of a floating-point type, with the names of Hugging Face folders. GGUF files
/// are refused: their quantized values could not hold the sum. Throws Error: unsupported, which
/// names what is not plain LoRA (DoRA, bias, ...); tensor_mismatch when the adapter was made for
/// another model; bad_format, invalid_option.
std::shared_ptr<const WeightStore> merge_adapters(std::shared_ptr<const WeightStore> base,
                                                  std::span<const Adapter> adapters,
                                                  AdaptedModules modules = {});

}  // namespace llm
