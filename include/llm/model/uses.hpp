/// \file
/// What a checkpoint can be used for, by its head: for `info`, and for errors that say what to do
/// instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/nn/transformer_config.hpp"

namespace llm {

/// The commands that work with such a checkpoint: "fill-mask", "embed", "similar". Every checkpoint
/// has hidden states to embed with.
std::vector<std::string_view> uses_of(const TransformerConfig& config);

/// The same for a sentence: "fill-mask, embed and similar".
std::string describe_uses(const TransformerConfig& config);

/// Of natural language inference the number of the label for "the second text follows from the
/// first": the first label that begins with "entail", in upper or lower case. nullopt when there is
/// none.
std::optional<std::int64_t> entailment_label(const TransformerConfig& config);

/// The name of a classifier's label: that of id2label, or else "LABEL_2", as in the reference.
std::string label_name(const TransformerConfig& config, std::int64_t label);

}  // namespace llm
