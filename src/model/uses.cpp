// What a checkpoint can be used for.
#include "llm/model/uses.hpp"

#include <algorithm>

namespace llm {

std::vector<std::string_view> uses_of(const TransformerConfig& config) {
  std::vector<std::string_view> uses;
  switch (config.head) {
    case HeadKind::none:
      break;
    case HeadKind::language_model:
      uses = {"generate", "few-shot", "score"};
      if (config.kind == ModelKind::decoder) {
        uses.emplace_back("chat");
      } else {
        uses.insert(uses.end(), {"summarize", "translate"});
        if (config.fills_masks) uses.emplace_back("fill-mask");
      }
      break;
    case HeadKind::masked_lm:
      uses = {"fill-mask"};
      break;
    case HeadKind::sequence_classification:
      uses = {"classify"};
      if (entailment_label(config)) uses.emplace_back("zero-shot");
      if (config.num_labels == 1) uses.emplace_back("rerank");
      break;
    case HeadKind::token_classification:
      uses = {"ner"};
      break;
    case HeadKind::question_answering:
      uses = {"qa"};
      break;
  }
  uses.insert(uses.end(), {"embed", "similar"});
  return uses;
}

std::string describe_uses(const TransformerConfig& config) {
  const std::vector<std::string_view> uses = uses_of(config);
  std::string text;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    if (i > 0) text += i + 1 < uses.size() ? ", " : " and ";
    text += uses[i];
  }
  return text;
}

std::optional<std::int64_t> entailment_label(const TransformerConfig& config) {
  constexpr std::string_view start = "entail";
  for (const auto& [label, name] : config.id2label) {
    const bool entails = name.size() >= start.size() &&
                         std::equal(start.begin(), start.end(), name.begin(), [](char a, char b) {
                           return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
                         });
    if (entails) return label;
  }
  return std::nullopt;
}

std::string label_name(const TransformerConfig& config, std::int64_t label) {
  const auto found = config.id2label.find(label);
  return found == config.id2label.end() ? "LABEL_" + std::to_string(label) : found->second;
}

}  // namespace llm
