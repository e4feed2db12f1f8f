/// \file
/// Few-shot prompts for many queries: chooses the examples, and makes one text or turns of a
/// conversation: rows of fields -> text -> Tokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/prompt/chat_template.hpp"
#include "llm/prompt/few_shot.hpp"

namespace llm {

/// Which examples a prompt shows. Except with `similar` they are the same for every query, and a
/// prompt with fewer shots has the first ones of a prompt with more.
enum class Selection : std::uint8_t {
  first,     ///< the first ones, in their order
  random,    ///< drawn with a seed
  balanced,  ///< one of each label in turns
  similar,   ///< those whose embeddings are nearest to the query's by cosine, the nearest one last
};

/// The value of a name such as "first". Throws Error (invalid_option) for other names.
Selection selection_from_name(std::string_view name);

/// How examples are chosen.
struct FewShotOptions {
  Selection selection = Selection::first;  ///< which examples
  std::uint64_t seed = 0;                  ///< of `random`
  /// For `balanced` and labels(): the field of an example that holds the answer.
  std::string label_field = {};
  /// For `similar`: gives a vector for each text, all of one length.
  std::function<std::vector<std::vector<float>>(std::span<const std::string> texts)> embed = {};
};

/// Makes few-shot prompts. Immutable: any number of threads may use one builder (as far as `embed`
/// allows it).
class FewShotBuilder {
 public:
  /// Indices of examples, in the order in which a prompt shows them.
  using Shots = std::vector<std::size_t>;

  /// Throws Error: invalid_input when an example lacks a field of the template or the label, or
  /// there is no template for examples; invalid_option for options that do not fit together.
  FewShotBuilder(FewShotTemplate few, std::vector<FieldRow> examples, FewShotOptions options = {});

  /// `count` examples for `query`; with Selection::similar never one that asks the same. Throws
  /// Error (invalid_option) when there are too few.
  Shots choose(std::size_t count, const FieldRow& query) const;

  /// The prompt with these examples. Throws Error (invalid_input) when the query lacks a field.
  std::string prompt(const Shots& shots, const FieldRow& query) const;
  /// The same as a conversation: the header is the system's message, each example's query and
  /// answer are turns of user and assistant, the query comes last. White space at the ends is left
  /// out.
  std::vector<Message> messages(const Shots& shots, const FieldRow& query) const;

  /// The example that asks the same as `query`, if there is one.
  std::optional<std::size_t> same_question(const FieldRow& query) const;
  /// The distinct labels of the examples, in order of appearance.
  std::vector<std::string> labels() const;

  const FewShotTemplate& few_shot_template() const { return template_; }  ///< as given
  const std::vector<FieldRow>& examples() const { return examples_; }     ///< as given
  const FewShotOptions& options() const { return options_; }              ///< as given

 private:
  void check_labels() const;
  void order_balanced();
  void order_random();
  void embed_examples();
  std::optional<std::string> question(const FieldRow& row) const;
  Shots most_similar(std::size_t count, const FieldRow& query) const;

  FewShotTemplate template_;
  std::vector<FieldRow> examples_;
  FewShotOptions options_;
  Shots order_;                                   // of all examples; empty for `similar`
  std::vector<std::string> texts_;                // of the examples, as prompts show them
  std::map<std::string, std::size_t> questions_;  // filled query of an example -> the first
  std::vector<std::vector<float>> embeddings_;    // of length 1
};

/// Throws Error (invalid_option) when a label is empty, is there twice, or is the beginning of
/// another: the shorter one would always be at least as probable.
void check_labels(std::span<const std::string> labels);

}  // namespace llm
