// A folder or GGUF file opened as a model: its family, its configuration and its weights by name.
// First half of loading; model.cpp turns it into layers.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "llm/weights/weight_binder.hpp"
#include "model/model_family.hpp"
#include "weights/packed_weights.hpp"

namespace llm::detail {

struct Checkpoint {
  const ModelFamily* family = nullptr;
  TransformerConfig config;
  std::shared_ptr<const WeightStore> store;     // null when only the configuration was asked for
  WeightBinder::Rename rename;                  // empty for safetensors
  std::shared_ptr<const PackedWeights> packed;  // of a packed folder: what the layers are made of
};

// `head`: instead of the one that the configuration names. Throws Error.
Checkpoint open_checkpoint(const std::filesystem::path& path, bool with_weights,
                           std::optional<HeadKind> head = std::nullopt);

}  // namespace llm::detail
