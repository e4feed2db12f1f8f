/// \file
/// A chain that has been checked, without any model: its order, what feeds what, which models.
///   ChainDescription -> ChainPlan -> Chain
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "llm/chain/chain_description.hpp"
#include "llm/prompt/text_template.hpp"

namespace llm {

/// A step with all that its file leaves out.
struct PlannedStep {
  ChainStep step;                                               ///< with its defaults
  std::map<std::string, TextTemplate, std::less<>> texts = {};  ///< ChainStep::texts, parsed
  TextTemplate each = {};                                       ///< ChainStep::each, parsed
  std::vector<std::size_t> needs = {};                          ///< steps, by their number
  std::vector<std::string> inputs = {};                         ///< that it uses
  bool has_text = true;                                         ///< its value can stand in a text
  bool has_items = false;                                       ///< its value is (also) a list
  std::string origin = {};  ///< of a map step: the input or step that the list came from
  std::optional<std::size_t> model = {};  ///< of ChainPlan::models()

  /// Whether it is done for each element of a list.
  bool maps() const { return !step.map.empty(); }
};

/// A model, and which steps use it.
struct PlannedModel {
  std::string name;                     ///< as steps call it
  ChainModelSource source;              ///< where it is from
  std::optional<HeadKind> head = {};    ///< as LoadOptions::head
  bool embeds = false;                  ///< all its steps embed
  std::vector<std::size_t> steps = {};  ///< that use it, by their number
};

/// Immutable. Nothing but the description is read for it.
class ChainPlan {
 public:
  /// Throws Error (invalid_input): names that are there twice, tasks, texts, options, fields and
  /// steps that do not exist (with the nearest name), lists where a text is needed and the other
  /// way round, a cycle, a model that is missing.
  explicit ChainPlan(ChainDescription description);

  /// As given.
  const ChainDescription& description() const { return description_; }
  /// In the order of the file.
  const std::vector<PlannedStep>& steps() const { return steps_; }
  /// Numbers of the steps in the order in which they are done: that of the file as far as what a
  /// step needs allows it.
  const std::vector<std::size_t>& order() const { return order_; }
  /// Each is loaded once.
  const std::vector<PlannedModel>& models() const { return models_; }
  /// The names of all inputs that steps use.
  std::vector<std::string> inputs() const;
  /// The number of the step of that name; Error (invalid_option) with the nearest name.
  std::size_t step(std::string_view name) const;
  /// The names of the fields that a value of the step has.
  std::vector<std::string> fields(std::size_t step) const;
  /// The plan for people: order, models, what feeds what, templates.
  std::string explain() const;

 private:
  void complete_steps();
  void check_references();
  void sort_steps();
  void find_origins();
  void choose_models();

  ChainDescription description_;
  std::vector<PlannedStep> steps_;
  std::vector<std::size_t> order_;
  std::vector<PlannedModel> models_;
};

}  // namespace llm
