/// \file
/// LoRA adapters (arXiv:2106.09685) as PEFT writes them, merged into the weights of a model while
/// it is loaded. Stands between the WeightStore and the WeightBinder, which does not notice.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/weights/weight_store.hpp"

namespace llm {

struct Adapter {
  std::filesystem::path path;  ///< folder with adapter_config.json and adapter_model.safetensors
  double weight = 1;           ///< how much of it is added; 1 as it was trained, 0 nothing
};

/// What the modules of a model are beyond their names: where files keep one tensor for several
/// modules, adapters still tell them apart.
struct AdaptedModules {
  /// Modules that share the weight of the token embedding, which is the first:
  /// "model.embed_tokens", "lm_head".
  std::vector<std::string> tied = {};
  /// Last components of the modules that store weights [inputs, outputs] ("c_attn"); absent: those
  /// that the adapter says (fan_in_fan_out).
  std::optional<std::vector<std::string>> transposed = {};
  /// Where the bias of the last of `tied`, the LM head, stands, when not below its own name.
  std::string head_bias = {};
};

/// The tensors of `base` with all adapters added: W + sum of weight * scale * B A, where scale is
/// alpha / r (alpha / sqrt(r) with use_rslora). The sum is made in float64 and rounded once to the
/// type of the stored tensor. Modules an adapter saved whole (modules_to_save) take the place of
/// those of `base`, which is allowed to one adapter per module and with weight 1 only; so do rows
/// of single tokens (trainable_token_indices).
///
/// As in the reference, a change of one of `modules.tied` leaves the others as they are: the LM
/// head keeps the weight that the embedding had. They follow with ensure_weight_tying, with rows of
/// single tokens, and where the adapter stores the model's own embedding (a vocabulary that grew).
///
/// The weights must be of a floating-point type under the names of config.json models: adapters for
/// GGUF files are refused, as their quantized values could not hold the sum. Throws Error:
/// unsupported names the kind of adapter (DoRA, bias, ...) that is not plain LoRA;
/// tensor_mismatch, when it was made for another model; bad_format, invalid_option.
std::shared_ptr<const WeightStore> merge_adapters(std::shared_ptr<const WeightStore> base,
                                                  std::span<const Adapter> adapters,
                                                  AdaptedModules modules = {});

}  // namespace llm
