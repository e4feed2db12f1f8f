/// \file
/// What a checkpoint can be used for, by the head it ends in: for `info`, and for errors that say
/// what to do instead.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/nn/transformer_config.hpp"

namespace llm {

/// Names of the commands that work on such a checkpoint: "fill-mask", "embed", "similar". Hidden
/// states can be had of every checkpoint.
std::vector<std::string_view> uses_of(const TransformerConfig& config);

/// The same for a sentence: "fill-mask, embed and similar".
std::string describe_uses(const TransformerConfig& config);

/// The label of natural language inference that says the second text follows from the first: the
/// first that begins with "entail", in any case. Nothing where there is none.
std::optional<std::int64_t> entailment_label(const TransformerConfig& config);

/// The name of a classifier's output: that of id2label, or "LABEL_2" as the reference counts them.
std::string label_name(const TransformerConfig& config, std::int64_t label);

}  // namespace llm
