/// \file
/// Names in texts, by a model that labels tokens (BERT for NER):
///   text -> windows of tokens -> logits -> a label and a score for each token -> words -> entities
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/model/model.hpp"
#include "llm/tasks/batches.hpp"
#include "llm/tasks/text_span.hpp"
#include "llm/tasks/text_tokens.hpp"

namespace llm {

/// How labels of tokens become entities, as the reference's aggregation_strategy.
enum class Aggregation : std::uint8_t {
  none,    ///< every token for itself
  simple,  ///< neighbours with the same label are one entity; "B-" begins a new one
  // The same of whole words, whose label is that of ...
  first,    ///< ... their first token
  average,  ///< ... the best mean of their tokens' scores
  max,      ///< ... their token with the highest score
};

/// "none", "simple" and so on; Error (invalid_option) for other names.
Aggregation aggregation_from_name(std::string_view name);

/// How to tag.
struct NerOptions {
  Aggregation aggregation = Aggregation::none;     ///< how tokens become entities
  std::vector<std::string> ignore_labels = {"O"};  ///< labels that are no entities
  /// Texts longer than the model takes are read in windows that share so many tokens; absent: they
  /// are an Error (context_overflow). Needs an aggregation.
  std::optional<std::int64_t> stride = {};
  bool truncate = false;  ///< without a stride: only the beginning of a long text is read
  std::int64_t batch_tokens = default_batch_tokens;  ///< tokens computed together
  InputOptions input = {};                           ///< what bounds the work on a text
};

/// A part of a text that has a label.
struct Entity {
  std::string label;       ///< with its "B-" or "I-" where tokens stand for themselves
  double score = 0.0;      ///< of several tokens the mean
  std::string word;        ///< as the tokenizer joins the tokens; the text itself is at `span`
  TextSpan span;           ///< in the text
  std::int64_t index = 0;  ///< Aggregation::none: which token, special ones counted
};

/// The entities of a text.
struct TaggedText {
  std::vector<Entity> entities;  ///< in the order of the text
  bool truncated = false;        ///< whether tokens were cut
};

/// Immutable; refers to model and tokenizer. Any number of threads may use one.
template <typename S>
class EntityTagger {
 public:
  /// Throws Error: unsupported for a model without a head that labels tokens, invalid_option for
  /// options that do not fit together or a stride that is too long.
  EntityTagger(const Model<S>& model, const Tokenizer& tokenizer, NerOptions options = {});

  /// The entities of each text in order. They do not depend on the other texts. Throws Error:
  /// invalid_input for a text without words, context_overflow for one that is too long.
  std::vector<TaggedText> tag(std::span<const std::string> texts) const;

 private:
  std::vector<Range> windows(const TextTokens& tokens) const;

  const Model<S>& model_;
  const Tokenizer& tokenizer_;
  NerOptions options_;
  TextEncoder encoder_;
};

extern template class EntityTagger<float>;
extern template class EntityTagger<double>;

}  // namespace llm
